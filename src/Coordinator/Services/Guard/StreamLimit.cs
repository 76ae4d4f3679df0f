using System.Collections.Concurrent;
using Linformer.Coordinator.Access;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>How many streams people may hold open, together and each; each stream costs some memory for as long as it is open.</summary>
internal sealed class StreamLimit
{
    private const int Maximum = 4096;
    private const int MaximumOfUser = 256;

    private readonly ConcurrentDictionary<string, int> _ofUsers = new(StringComparer.Ordinal);
    private int _open;

    /// <summary>Takes a place until it is disposed.</summary>
    /// <param name="caller">Who opens the stream. Who came in without being asked shares the common limit alone.</param>
    public IDisposable Enter(Principal caller)
    {
        var place = new Place(this, caller.Kind == PrincipalKind.Open ? null : caller.User);
        var (all, own) = place.Take();
        if (all <= Maximum && own <= MaximumOfUser)
            return place;
        place.Dispose();
        throw all > Maximum
            ? Refusal.Exhausted($"{Maximum:#,0} streams are open already, the most that this coordinator keeps. Try again later.")
            : Refusal.Exhausted($"The user '{caller.User}' has {MaximumOfUser:#,0} streams open already, the most of one user. Close one.");
    }

    private sealed class Place(StreamLimit limit, string? user) : IDisposable
    {
        private int _left;

        public (int All, int Own) Take() =>
            (Interlocked.Increment(ref limit._open), user is null ? 0 : limit._ofUsers.AddOrUpdate(user, 1, (_, open) => open + 1));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) != 0)
                return;
            Interlocked.Decrement(ref limit._open);
            // Users who have none open are forgotten.
            if (user is not null && limit._ofUsers.AddOrUpdate(user, 0, (_, open) => open - 1) == 0)
                limit._ofUsers.TryRemove(KeyValuePair.Create(user, 0));
        }
    }
}

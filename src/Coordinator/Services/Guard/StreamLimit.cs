using Linformer.Coordinator.Access;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>How many streams people may hold open, together and each; each stream costs some memory for as long as it is open.</summary>
internal sealed class StreamLimit
{
    private const int Maximum = 4096;
    private const int MaximumOfUser = 256;

    private readonly UserPlaces _users = new(MaximumOfUser);
    private int _open;

    /// <summary>Takes a place until it is disposed.</summary>
    /// <param name="caller">Who opens the stream. Who came in without being asked shares the common limit alone.</param>
    public IDisposable Enter(Principal caller)
    {
        var own = caller.Kind == PrincipalKind.Open ? null : _users.TryEnter(caller.User)
            ?? throw Refusal.Exhausted($"The user '{caller.User}' has {MaximumOfUser:#,0} streams open already, the most of one user. Close one.");
        var place = new Place(this, own);
        if (Interlocked.Increment(ref _open) <= Maximum)
            return place;
        place.Dispose();
        throw Refusal.Exhausted($"{Maximum:#,0} streams are open already, the most that this coordinator keeps. Try again later.");
    }

    private sealed class Place(StreamLimit limit, IDisposable? own) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) != 0)
                return;
            Interlocked.Decrement(ref limit._open);
            own?.Dispose();
        }
    }
}

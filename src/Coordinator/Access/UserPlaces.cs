using System.Collections.Concurrent;

namespace Linformer.Coordinator.Access;

/// <summary>Counts what users have open, each at most so much.</summary>
/// <param name="most">The most of one user.</param>
internal sealed class UserPlaces(int most)
{
    private readonly ConcurrentDictionary<string, int> _open = new(StringComparer.Ordinal);

    /// <summary>Takes a place until it is disposed.</summary>
    /// <returns>The place; null if the user has too many.</returns>
    public IDisposable? TryEnter(string user)
    {
        var place = new Place(this, user);
        if (_open.AddOrUpdate(user, 1, (_, open) => open + 1) <= most)
            return place;
        place.Dispose();
        return null;
    }

    private sealed class Place(UserPlaces places, string user) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            // Users who have none open are forgotten.
            if (Interlocked.Exchange(ref _left, 1) == 0 && places._open.AddOrUpdate(user, 0, (_, open) => open - 1) == 0)
                places._open.TryRemove(KeyValuePair.Create(user, 0));
        }
    }
}

namespace Linformer.Coordinator.Services.Guard;

/// <summary>How many streams people may hold open together; each costs some memory for as long as it is open.</summary>
internal sealed class StreamLimit
{
    private const int Maximum = 4096;

    private int _open;

    /// <summary>Takes a place until it is disposed.</summary>
    public IDisposable Enter()
    {
        if (Interlocked.Increment(ref _open) > Maximum)
        {
            Interlocked.Decrement(ref _open);
            throw Refusal.Exhausted($"{Maximum:#,0} streams are open already, the most that this coordinator keeps. Try again later.");
        }
        return new Place(this);
    }

    private sealed class Place(StreamLimit limit) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                Interlocked.Decrement(ref limit._open);
        }
    }
}

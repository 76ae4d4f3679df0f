using Serilog;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>
/// A topic that is a state. Who begins to watch gets it whole; then come changes, or the whole again for one who has missed some.
/// </summary>
internal abstract class StateTopic(ILogger logger) : Topic(logger)
{
    private const int KeptChanges = 16;

    private readonly Queue<ReadOnlyMemory<byte>> _changes = new();
    private Func<ReadOnlyMemory<byte>>? _makeWhole;
    private ReadOnlyMemory<byte> _whole;
    private long _version;

    /// <inheritdoc/>
    public override ITopicReader Open(TopicName name) => new Reader(this);

    /// <summary>Says what is new.</summary>
    /// <param name="whole">Makes the event of the whole state, if it is needed, of what does not change any more.</param>
    /// <param name="change">The event that makes the state before this one; null if only the whole does.</param>
    protected void Publish(Func<ReadOnlyMemory<byte>> whole, ReadOnlyMemory<byte>? change)
    {
        lock (Sync)
        {
            (_makeWhole, _whole) = (whole, default);
            _version++;
            if (change is { } bytes)
                _changes.Enqueue(bytes);
            else
                _changes.Clear();
            if (_changes.Count > KeptChanges)
                _changes.Dequeue();
        }
        Wake();
    }

    private (long Version, IReadOnlyList<ReadOnlyMemory<byte>> Events) After(long version)
    {
        lock (Sync)
        {
            if (version == _version)
                return (version, []);
            var missed = _version - version;
            if (version > 0 && missed <= _changes.Count)
                return (_version, [.. _changes.TakeLast((int)missed)]);
            if (_whole.IsEmpty)
                _whole = _makeWhole!();
            return (_version, [_whole]);
        }
    }

    private sealed class Reader(StateTopic topic) : ITopicReader
    {
        private long _version;

        public ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> NextAsync(CancellationToken cancellationToken)
        {
            (_version, var events) = topic.After(_version);
            return ValueTask.FromResult(events);
        }
    }
}

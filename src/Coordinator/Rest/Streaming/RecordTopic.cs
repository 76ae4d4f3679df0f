using Serilog;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>Some records in a row, as an event.</summary>
/// <param name="To">The cursor after them.</param>
/// <param name="Count">How many records they are.</param>
/// <param name="Event">The event.</param>
internal sealed record RecordPage(long To, int Count, ReadOnlyMemory<byte> Event);

/// <summary>
/// A topic of records that come one after the other. Who begins to watch catches up with what was recorded after its cursor, page by
/// page at its own pace, and then gets what is new along with everybody else.
/// </summary>
internal abstract class RecordTopic(ILogger logger) : Topic(logger)
{
    private const int KeptPages = 32;
    private const int KeptBytes = 4 << 20;

    private readonly Queue<RecordPage> _pages = new();
    private bool _begun;
    private long _next = 1;
    private long _head;
    private long _lines;
    private long _bytes;

    /// <summary>Whether one who falls behind goes on with the newest, and is told how many records were left out; others catch up.</summary>
    protected virtual bool Skips => false;

    /// <summary>Up to where everything was published.</summary>
    protected long Head => _head;

    /// <summary>The number of the page that is published next, from 1 on.</summary>
    protected long NextPage => _next;

    /// <inheritdoc/>
    public override ITopicReader Open(TopicName name) => new Reader(this, name);

    /// <inheritdoc/>
    protected sealed override async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (!_begun)
        {
            var head = await BeginAsync(cancellationToken);
            lock (Sync)
                (_head, _begun) = (head, true);
            Wake();
        }
        await ContinueAsync(cancellationToken);
    }

    /// <summary>Where the records end at this moment.</summary>
    protected abstract Task<long> BeginAsync(CancellationToken cancellationToken);

    /// <summary>Publishes what has come since.</summary>
    protected abstract Task ContinueAsync(CancellationToken cancellationToken);

    /// <summary>The next records after a cursor and up to another; null if there are none.</summary>
    protected abstract Task<RecordPage?> ReadAsync(long after, long upTo, CancellationToken cancellationToken);

    /// <summary>What a page that begins is told first, and where it begins then.</summary>
    /// <param name="name">What it asks for.</param>
    /// <param name="head">Where the records end.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    protected virtual Task<(long After, ReadOnlyMemory<byte>? Event)> GreetAsync(TopicName name, long head, CancellationToken cancellationToken) =>
        Task.FromResult<(long, ReadOnlyMemory<byte>?)>((name.After, null));

    /// <summary>The event that tells of records that were left out.</summary>
    protected virtual ReadOnlyMemory<byte> Skipped(long records) => throw new NotSupportedException();

    /// <summary>The lowest cursor that was gone back to since a page was published, counted from 1; the highest number if none was.</summary>
    protected virtual long LowestSince(long page) => long.MaxValue;

    /// <summary>The event that tells that records after a cursor do not count any more.</summary>
    protected virtual ReadOnlyMemory<byte> Back(long cursor) => throw new NotSupportedException();

    /// <summary>Says what is new.</summary>
    protected void Publish(RecordPage page)
    {
        lock (Sync)
        {
            _pages.Enqueue(page);
            _bytes += page.Event.Length;
            while (_pages.Count > KeptPages || (_bytes > KeptBytes && _pages.Count > 1))
                _bytes -= _pages.Dequeue().Event.Length;
            _next++;
            _head = page.To;
            _lines += page.Count;
        }
        Wake();
    }

    private sealed class Reader(RecordTopic topic, TopicName name) : ITopicReader
    {
        // What is published next, of what this page has not had.
        private long _next;
        private long _cursor = name.After;
        private long _until;
        private long _lines;
        private bool _greeted;

        public async ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> NextAsync(CancellationToken cancellationToken)
        {
            if (!_greeted)
            {
                if (!TryJoin())
                    return [];
                _greeted = true;
                (_cursor, var first) = await topic.GreetAsync(name, _until, cancellationToken);
                if (first is { } greeting)
                    return [greeting];
            }
            while (true)
            {
                if (_cursor < _until)
                {
                    if (await topic.ReadAsync(_cursor, _until, cancellationToken) is { } page)
                    {
                        _cursor = page.To;
                        return [page.Event];
                    }
                    _cursor = _until;
                }
                if (Take() is { } pages)
                    return pages;
            }
        }

        private bool TryJoin()
        {
            lock (topic.Sync)
            {
                if (!topic._begun)
                    return false;
                (_next, _until, _lines) = (topic._next, topic._head, topic._lines);
                return true;
            }
        }

        // Null where the page has to catch up first.
        private List<ReadOnlyMemory<byte>>? Take()
        {
            lock (topic.Sync)
            {
                var missed = (int)Math.Min(topic._next - _next, int.MaxValue);
                if (missed == 0)
                    return [];
                var kept = topic._pages.TakeLast(missed).ToList();
                var events = kept.Select(page => page.Event).ToList();
                if (missed > topic._pages.Count)
                {
                    if (!topic.Skips)
                    {
                        var lowest = topic.LowestSince(_next);
                        (_next, _until) = (topic._next, topic._head);
                        if (lowest >= _cursor)
                            return null;
                        _cursor = lowest;
                        return [topic.Back(lowest)];
                    }
                    events.Insert(0, topic.Skipped(topic._lines - _lines - kept.Sum(page => (long)page.Count)));
                }
                (_next, _cursor, _until, _lines) = (topic._next, topic._head, topic._head, topic._lines);
                return events;
            }
        }
    }
}

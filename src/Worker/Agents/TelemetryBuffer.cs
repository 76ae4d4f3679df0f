using Google.Protobuf.WellKnownTypes;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// Metrics, log lines, samples of ranks, checkpoints and warnings that the coordinator has not acknowledged: numbered, in bounded memory.
/// When it is full, the oldest sample is dropped and counted, without one the oldest metric or log line; a checkpoint or warning only
/// when nothing else is there.
/// </summary>
/// <param name="maximumItems">At most so many.</param>
/// <param name="maximumBytes">About at most so many bytes.</param>
/// <param name="added">Called whenever an item was added.</param>
public sealed class TelemetryBuffer(int maximumItems, long maximumBytes, Action added)
{
    // What an item takes beside its content.
    private const int Overhead = 100;

    private readonly Lock _gate = new();
    private readonly LinkedList<Entry> _entries = new();
    private readonly Queue<LinkedListNode<Entry>> _samples = new();
    private long _bytes;
    private long _newest;
    private long _sent;
    private long _acknowledged;

    /// <summary>Metric points that were dropped.</summary>
    public long LostMetricPoints { get; private set; }

    /// <summary>Log lines that were dropped.</summary>
    public long LostLogLines { get; private set; }

    /// <summary>Samples of ranks that were dropped.</summary>
    public long LostSamples { get; private set; }

    /// <summary>What waits for its acknowledgement: how many items, and how many bytes.</summary>
    public (int Items, long Bytes) Filled
    {
        get
        {
            lock (_gate)
            {
                return (_entries.Count, _bytes);
            }
        }
    }

    /// <summary>The highest number that was acknowledged.</summary>
    public long Acknowledged
    {
        get
        {
            lock (_gate)
            {
                return _acknowledged;
            }
        }
    }

    /// <summary>Whether all was acknowledged.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count == 0;
            }
        }
    }

    /// <summary>Adds an item; its time is set here.</summary>
    /// <param name="item">The item, not changed after this.</param>
    public void Add(V1.TelemetryItem item)
    {
        item.At = Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow);
        if (item.Metric is { } metric)
        {
            metric.At = item.At;
        }
        else if (item.Sample is { } sample)
        {
            sample.At = item.At;
        }

        lock (_gate)
        {
            var bytes = item.CalculateSize() + Overhead;
            var node = _entries.AddLast(new Entry(++_newest, item, bytes));
            _bytes += bytes;
            if (item.Sample is not null)
            {
                _samples.Enqueue(node);
            }

            while (_entries.Count > maximumItems || (_bytes > maximumBytes && _entries.Count > 1))
            {
                DropOldest();
            }
        }

        added();
    }

    /// <summary>The next items after a number, without a gap between them; null when there are none.</summary>
    /// <param name="after">The last number that was sent in this session.</param>
    /// <param name="maximumCount">At most so many.</param>
    /// <param name="maximumSize">About at most so many bytes.</param>
    /// <param name="window">Nothing when so many bytes were sent and not acknowledged.</param>
    public V1.Telemetry? Next(long after, int maximumCount, long maximumSize, long window)
    {
        lock (_gate)
        {
            var node = _entries.First;
            var inFlight = 0L;
            for (; node is not null && node.Value.Sequence <= after; node = node.Next)
            {
                inFlight += node.Value.Bytes;
            }

            if (node is null || inFlight >= window)
            {
                return null;
            }

            var telemetry = new V1.Telemetry();
            var size = 0L;
            do
            {
                telemetry.Items.Add(node.Value.Item);
                telemetry.Sequence = node.Value.Sequence;
                size += node.Value.Bytes;
                node = node.Next;
            }
            while (node?.Value.Sequence == telemetry.Sequence + 1 && telemetry.Items.Count < maximumCount && size + node.Value.Bytes <= maximumSize);
            _sent = Math.Max(_sent, telemetry.Sequence);
            return telemetry;
        }
    }

    /// <summary>Drops what is recorded. A number that was never sent is no acknowledgement.</summary>
    /// <param name="sequence">The last number that is recorded.</param>
    public void Acknowledge(long sequence)
    {
        lock (_gate)
        {
            if (sequence > _sent)
            {
                return;
            }

            _acknowledged = Math.Max(_acknowledged, sequence);
            while (_entries.First is { } first && first.Value.Sequence <= sequence)
            {
                Remove(first);
            }
        }
    }

    private void DropOldest()
    {
        if (!_samples.TryPeek(out var node))
        {
            node = _entries.First;
            while (node is not null && node.Value.Item.KindCase is not (V1.TelemetryItem.KindOneofCase.Metric or V1.TelemetryItem.KindOneofCase.Log))
            {
                node = node.Next;
            }

            node ??= _entries.First!;
        }

        LostSamples += node.Value.Item.Sample is null ? 0 : 1;
        LostMetricPoints += node.Value.Item.KindCase == V1.TelemetryItem.KindOneofCase.Metric ? 1 : 0;
        LostLogLines += node.Value.Item.KindCase == V1.TelemetryItem.KindOneofCase.Log ? 1 : 0;
        Remove(node);
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _bytes -= node.Value.Bytes;
        _entries.Remove(node);
        // Whoever removes one removes the oldest.
        if (node.Value.Item.Sample is not null)
        {
            _samples.Dequeue();
        }
    }

    private readonly record struct Entry(long Sequence, V1.TelemetryItem Item, int Bytes);
}

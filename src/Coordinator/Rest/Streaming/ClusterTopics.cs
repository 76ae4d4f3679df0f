using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>A topic that is the answer of a method, whole, whenever it has changed.</summary>
internal abstract class AnswerTopic<T>(StreamSource source, string name, string method, IMessage request) : StateTopic(source.Logger)
    where T : class, IMessage<T>, IDeepCloneable<T>
{
    private T? _shown;

    /// <inheritdoc/>
    protected override TimeSpan Interval { get; } = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    protected override async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var now = await source.ReadAsync<T>(method, request, cancellationToken);
        if (_shown is { } before && IsSame(before, now))
            return;
        _shown = now;
        Publish(() => Frame.Of(name, json => ProtoJson.WriteFields(json, now)), null);
    }

    /// <summary>Whether there is nothing new for people.</summary>
    protected virtual bool IsSame(T before, T now) => before.Equals(now);
}

/// <summary>The workers. When one was last heard of alone is no news, or not often.</summary>
internal sealed class WorkersTopic(StreamSource source)
    : AnswerTopic<Proto.ListWorkersResponse>(source, "workers", "Workers/List", new Proto.ListWorkersRequest())
{
    private static readonly Duration HeardAgainAfter = Duration.FromTimeSpan(TimeSpan.FromSeconds(5));

    protected override bool IsSame(Proto.ListWorkersResponse before, Proto.ListWorkersResponse now)
    {
        if (before.Workers.Count != now.Workers.Count)
            return false;
        return before.Workers.Zip(now.Workers).All(pair => IsSame(pair.First, pair.Second));
    }

    private static bool IsSame(Proto.Worker before, Proto.Worker now)
    {
        if (before.Name != now.Name || (now.LastSeen is not null && before.LastSeen is not null && (now.LastSeen - before.LastSeen).CompareTo(HeardAgainAfter) >= 0))
            return false;
        var then = now.Clone();
        then.LastSeen = before.LastSeen;
        return before.Equals(then);
    }
}

/// <summary>The corpora.</summary>
internal sealed class CorporaTopic(StreamSource source)
    : AnswerTopic<Proto.ListCorporaResponse>(source, "corpora", "Corpora/List", new Proto.ListCorporaRequest());

/// <summary>The cluster in numbers.</summary>
internal sealed class SummaryTopic(StreamSource source)
    : AnswerTopic<Proto.ClusterSummary>(source, "summary", "Cluster/Summary", new Proto.SummaryRequest())
{
    protected override bool IsSame(Proto.ClusterSummary before, Proto.ClusterSummary now)
    {
        var then = now.Clone();
        then.Now = before.Now;
        return before.Equals(then);
    }
}

/// <summary>What has happened.</summary>
internal sealed class EventsTopic(StreamSource source) : RecordTopic(source.Logger)
{
    private const int PageSize = 500;
    private const string Method = "Cluster/Events";

    private long _writes = -1;

    protected override TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(500);

    protected override async Task<long> BeginAsync(CancellationToken cancellationToken)
    {
        var newest = await source.ReadAsync<Proto.EventsResponse>(Method, new Proto.EventsRequest { Newest = true, PageSize = 1 }, cancellationToken);
        return newest.Events is [.., var last] ? last.Sequence : 0;
    }

    protected override async Task ContinueAsync(CancellationToken cancellationToken)
    {
        var writes = source.Writes;
        if (writes == _writes)
            return;
        while (await ReadAsync(Head, long.MaxValue, cancellationToken) is { } page)
            Publish(page);
        _writes = writes;
    }

    protected override async Task<RecordPage?> ReadAsync(long after, long upTo, CancellationToken cancellationToken)
    {
        var page = await source.ReadAsync<Proto.EventsResponse>(Method, new Proto.EventsRequest { After = after, PageSize = PageSize }, cancellationToken);
        var events = page.Events.Where(one => one.Sequence <= upTo).ToList();
        return events.Count == 0 ? null : new RecordPage(events[^1].Sequence, events.Count, Frame.Of("events", json => json.WriteList("events", events)));
    }
}

using System.Net;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>The topics that are watched: one of each for any number of pages, ended with the last of them.</summary>
internal sealed class TopicHub(StreamSource source)
{
    // Each is read several times a second.
    private const int MostTopics = 2048;
    private const int MostTopicsOfOne = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Shared> _topics = new(StringComparer.Ordinal);

    // Whoever watches, and how many times each of their topics.
    private readonly Dictionary<string, Dictionary<string, int>> _held = new(StringComparer.Ordinal);

    /// <summary>Watches a topic until it is disposed.</summary>
    /// <param name="name">The topic; its job by id or by name, which then means the newest of that name.</param>
    /// <param name="caller">Who watches.</param>
    /// <param name="address">From where, which tells people apart that nobody knows.</param>
    /// <param name="waker">Is woken when there is something new.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="RpcException">Too many different ones are watched.</exception>
    public async Task<Watch> OpenAsync(TopicName name, Principal caller, IPAddress? address, Waker waker, CancellationToken cancellationToken)
    {
        if (name.Subject.Length > 0)
        {
            try
            {
                name = name with { Subject = await source.Jobs.ResolveAsync(name.Subject, cancellationToken) };
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.NotFound)
            {
                return new Watch(name, exception.Status.Detail);
            }
        }
        var owner = caller.Kind == PrincipalKind.Open ? $"address {address}" : $"user {caller.User}";
        lock (_lock)
        {
            var held = _held.GetValueOrDefault(owner);
            if (held is { Count: >= MostTopicsOfOne } && !held.ContainsKey(name.Key))
                throw Refusal.Exhausted($"The {owner} watches {MostTopicsOfOne:#,0} different topics already, the most of one. Close a page.");
            if (!_topics.TryGetValue(name.Key, out var shared))
            {
                if (_topics.Count >= MostTopics)
                    throw Refusal.Exhausted($"{MostTopics:#,0} different topics are watched already, the most that this coordinator reads. Try again later.");
                _topics.Add(name.Key, shared = Start(name));
            }
            if (held is null)
                _held.Add(owner, held = new(StringComparer.Ordinal));
            held[name.Key] = held.GetValueOrDefault(name.Key) + 1;
            shared.Watchers++;
            shared.Topic.Add(waker);
            return new Watch(this, shared, name, owner, waker);
        }
    }

    private Shared Start(TopicName name)
    {
        Topic topic = name.Kind switch
        {
            "jobs" => new JobsTopic(source),
            "job" => new JobTopic(source, name.Subject),
            "metrics" => new MetricsTopic(source, name.Subject),
            "samples" => new SamplesTopic(source, name.Subject),
            "logs" => new LogsTopic(source, name.Subject, name.Rank),
            "workers" => new WorkersTopic(source),
            "corpora" => new CorporaTopic(source),
            "events" => new EventsTopic(source),
            "summary" => new SummaryTopic(source),
            _ => throw new NotSupportedException($"{name.Kind} is no topic."),
        };
        var shared = new Shared(name.Key, topic, new CancellationTokenSource());
        _ = Task.Run(() => RunAsync(shared), CancellationToken.None);
        return shared;
    }

    private async Task RunAsync(Shared shared)
    {
        var (topic, stop) = (shared.Topic, shared.Stop);
        try
        {
            await topic.RunAsync(stop.Token);
            // It is gone. Who holds it is told; it takes nobody else's place, and the same may come to be again.
            lock (_lock)
                Forget(shared);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Nobody watches it any more.
        }
        finally
        {
            (topic as IDisposable)?.Dispose();
        }
    }

    private void Release(Shared shared, string owner, Waker waker)
    {
        shared.Topic.Remove(waker);
        lock (_lock)
        {
            var held = _held[owner];
            if (--held[shared.Key] == 0 && held.Remove(shared.Key) && held.Count == 0)
                _held.Remove(owner);
            if (--shared.Watchers > 0)
                return;
            Forget(shared);
        }
        shared.Stop.Cancel();
    }

    private void Forget(Shared shared)
    {
        if (_topics.TryGetValue(shared.Key, out var now) && ReferenceEquals(now, shared))
            _topics.Remove(shared.Key);
    }

    /// <summary>A page's hold on a topic.</summary>
    public sealed class Watch : IDisposable
    {
        private readonly string? _goneAtFirst;
        private readonly Shared? _shared;
        private readonly ITopicReader? _reader;
        private readonly Action? _release;
        private bool _toldGone;
        private int _disposed;

        internal Watch(TopicHub hub, Shared shared, TopicName name, string owner, Waker waker)
        {
            (_shared, Name) = (shared, name);
            _reader = shared.Topic.Open(name);
            _release = () => hub.Release(shared, owner, waker);
        }

        internal Watch(TopicName name, string gone) => (Name, _goneAtFirst) = (name, gone);

        /// <summary>The topic.</summary>
        public TopicName Name { get; }

        /// <summary>The events that are new to the page, in order; none if nothing is.</summary>
        public async ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> NextAsync(CancellationToken cancellationToken)
        {
            var gone = _goneAtFirst ?? _shared!.Topic.Gone;
            if (gone is null)
                return await _reader!.NextAsync(cancellationToken);
            if (_toldGone)
                return [];
            _toldGone = true;
            return [Frame.Of("gone", json =>
            {
                json.WriteString("topic", Name.Text);
                json.WriteString("reason", gone);
            })];
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
                _release?.Invoke();
        }
    }

    internal sealed record Shared(string Key, Topic Topic, CancellationTokenSource Stop)
    {
        public int Watchers { get; set; }
    }
}

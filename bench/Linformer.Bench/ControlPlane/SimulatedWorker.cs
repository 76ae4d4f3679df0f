using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Status = Linformer.Protocol.V1.Status;

namespace Linformer.Bench.ControlPlane;

/// <summary>
/// An agent without ranks: it speaks the protocol at the pace of a real one, over a connection of its own. It does not connect again: a
/// stream that breaks is a result.
/// </summary>
internal sealed class SimulatedWorker(string name, string endpoint, string joinToken, LoadCounts counts) : IDisposable
{
    private static readonly TimeSpan LoadInterval = TimeSpan.FromSeconds(5);

    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(endpoint);
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Job, int Member), SimulatedMember> _members = [];
    private readonly Dictionary<string, LeaseStatus> _leases = new(StringComparer.Ordinal);
    private readonly Queue<RendezvousValue> _published = new();
    private readonly Queue<(long Sequence, long SentAt, int Points, bool IsHeartbeat, string FirstOf)> _unacknowledged = new();
    private readonly SemaphoreSlim _signal = new(0);
    private long _revision;
    private int _change = 2;
    private TimeSpan _heartbeat = TimeSpan.FromSeconds(2);

    /// <summary>Its steps a second in a job, by the job's name: <c>NAME-RATE-NUMBER</c>.</summary>
    private static double Rate(string jobName) => int.Parse(jobName.Split('-')[^2], CultureInfo.InvariantCulture) / 100.0;

    /// <summary>Connects.</summary>
    public async Task<AsyncDuplexStreamingCall<AgentMessage, CoordinatorMessage>> ConnectAsync(CancellationToken cancellationToken)
    {
        var call = new Agents.AgentsClient(_channel).Connect(new Metadata { { MetadataNames.Authorization, MetadataNames.BearerPrefix + joinToken } }, cancellationToken: cancellationToken);
        await call.RequestStream.WriteAsync(new AgentMessage { Hello = Hello() }, cancellationToken);
        if (!await call.ResponseStream.MoveNext(cancellationToken) || call.ResponseStream.Current.Welcome is not { } welcome)
            throw new InvalidOperationException($"The simulated worker {name} is not welcome.");
        _heartbeat = TimeSpan.FromMilliseconds(welcome.HeartbeatMilliseconds);
        return call;
    }

    /// <summary>Does as it is told until it is cancelled.</summary>
    public async Task RunAsync(AsyncDuplexStreamingCall<AgentMessage, CoordinatorMessage> call, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var receiving = ReceiveAsync(call.ResponseStream, ended.Token);
            var sending = SendAsync(call.RequestStream, ended.Token);
            await await Task.WhenAny(receiving, sending);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // Measured.
        }
        catch (Exception error) when (error is RpcException or InvalidOperationException or IOException)
        {
            counts.Breaks($"{name}: {error.Message}");
        }
        finally
        {
            await ended.CancelAsync();
            call.Dispose();
        }
    }

    public void Dispose()
    {
        _channel.Dispose();
        _signal.Dispose();
    }

    private Hello Hello() => new()
    {
        ProtocolVersion = ProtocolVersion.Current,
        Name = name,
        InstanceId = Guid.NewGuid().ToString("N"),
        Version = "1.0.0",
        Host = name,
        ProcessId = Environment.ProcessId,
        Address = "127.0.0.1",
        Slots = { new SlotOffer { Number = 0, Device = "cpu" } },
    };

    private async Task ReceiveAsync(IAsyncStreamReader<CoordinatorMessage> stream, CancellationToken cancellationToken)
    {
        while (await stream.MoveNext(cancellationToken))
        {
            lock (_gate)
                Take(stream.Current);
            if (_signal.CurrentCount == 0)
                _signal.Release();
        }
        throw new InvalidOperationException("the coordinator has hung up");
    }

    // Under the lock, as those below.
    private void Take(CoordinatorMessage message)
    {
        switch (message.KindCase)
        {
            case CoordinatorMessage.KindOneofCase.Assignment:
                Take(message.Assignment);
                _change = 2;
                break;
            case CoordinatorMessage.KindOneofCase.Rendezvous:
                foreach (var value in message.Rendezvous.Values)
                {
                    foreach (var member in _members.Values.Where(member => member.JobId == value.JobId && member.Find(value)))
                        Joined(member);
                }
                break;
            case CoordinatorMessage.KindOneofCase.TelemetryAck:
                Acknowledge(message.TelemetryAck.Sequence);
                break;
        }
    }

    private void Take(Assignment assignment)
    {
        _revision = assignment.Revision;
        var wanted = assignment.Groups.SelectMany(group => group.Members.Select(place => (group.JobId, place.Member))).ToHashSet();
        foreach (var gone in _members.Keys.Where(key => !wanted.Contains(key)).ToList())
            _members.Remove(gone);
        foreach (var group in assignment.Groups)
        {
            foreach (var place in group.Members)
            {
                if (!_members.TryGetValue((group.JobId, place.Member), out var member))
                    _members[(group.JobId, place.Member)] = member = new SimulatedMember(group, place.Member, Rate(group.JobName), Steps(group.JobFile));
                if (member.Take(group) is { } address)
                    _published.Enqueue(address);
                else if (member.Phase == MemberPhase.Training && member.Applied == 0)
                    Joined(member);
            }
        }
        foreach (var gone in _leases.Keys.Where(id => assignment.Leases.All(lease => lease.LeaseId != id)).ToList())
            _leases.Remove(gone);
        foreach (var lease in assignment.Leases)
            _leases[lease.LeaseId] = Done(lease);
    }

    private void Joined(SimulatedMember member)
    {
        _change = 2;
        if (member.JobName.StartsWith(ControlPlaneJobs.Long, StringComparison.Ordinal))
            counts.Trains(again: member.Generations > 1);
    }

    private static long Steps(string jobFile) => JsonNode.Parse(jobFile)!["training"]!["steps"]!.GetValue<long>();

    private static LeaseStatus Done(CorpusLease lease) => new()
    {
        LeaseId = lease.LeaseId,
        CorpusId = lease.CorpusId,
        Phase = LeasePhase.Done,
        Plan = new PlanResult
        {
            Fingerprint = "f",
            Folder = "cache/corpus",
            Shards = 1,
            VocabularySize = 300,
            Existing = new ManifestResult { Documents = 1, Tokens = 100_000, VocabularySize = 300, Shards = 1 },
        },
    };

    private void Acknowledge(long sequence)
    {
        while (_unacknowledged.TryPeek(out var first) && first.Sequence <= sequence)
        {
            _unacknowledged.Dequeue();
            counts.Accept(first.Points);
            if (first.IsHeartbeat)
                counts.Heartbeats.AddSince(first.SentAt);
            else if (first.Points > 0)
                counts.Acknowledgements.AddSince(first.SentAt);
            if (first.FirstOf.Length > 0)
                counts.FirstStep(first.FirstOf);
        }
    }

    // As the agent's own sender: what was published at once, telemetry in batches, the status when it has changed and as a heartbeat.
    private async Task SendAsync(IClientStreamWriter<AgentMessage> stream, CancellationToken cancellationToken)
    {
        var (lastStatus, lastTelemetry, lastLoad, sequence) = (0L, 0L, 0L, 0L);
        while (true)
        {
            var messages = new List<AgentMessage>();
            TimeSpan wait;
            lock (_gate)
            {
                while (_published.TryDequeue(out var value))
                    messages.Add(new AgentMessage { Rendezvous = value });
                var trains = false;
                foreach (var member in _members.Values)
                {
                    if (member.Advance())
                        _change = Math.Max(_change, 1);
                    trains |= member.Phase == MemberPhase.Training;
                }
                var telemetryWait = AgentPace.Telemetry - Stopwatch.GetElapsedTime(lastTelemetry);
                if (trains && telemetryWait <= TimeSpan.Zero && _unacknowledged.Count < AgentPace.UnacknowledgedMessages && Telemetry(ref sequence) is { } telemetry)
                {
                    messages.Add(new AgentMessage { Telemetry = telemetry });
                    lastTelemetry = Stopwatch.GetTimestamp();
                    telemetryWait = AgentPace.Telemetry;
                }
                EndThoseThatAreDone();
                var pace = _change switch { 2 => TimeSpan.Zero, 1 => AgentPace.Progress, _ => _heartbeat };
                wait = pace - Stopwatch.GetElapsedTime(lastStatus);
                if (wait <= TimeSpan.Zero)
                {
                    var withLoad = Stopwatch.GetElapsedTime(lastLoad) > LoadInterval;
                    messages.Insert(messages.Count > 0 && messages[0].Rendezvous is not null ? 1 : 0, new AgentMessage { Status = Status(withLoad) });
                    (_change, lastStatus, wait) = (0, Stopwatch.GetTimestamp(), _heartbeat);
                    lastLoad = withLoad ? lastStatus : lastLoad;
                    // A status has no acknowledgement; what follows it on the stream is only taken after it.
                    if (_members.Count == 0)
                    {
                        messages.Add(new AgentMessage { Telemetry = new Telemetry { Sequence = sequence } });
                        _unacknowledged.Enqueue((sequence, lastStatus, 0, IsHeartbeat: true, ""));
                    }
                }
                if (trains)
                    wait = Min(wait, Min(AgentPace.Progress, telemetryWait > TimeSpan.Zero ? telemetryWait : AgentPace.Telemetry));
            }
            foreach (var message in messages)
                await stream.WriteAsync(message, cancellationToken);
            await _signal.WaitAsync(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, cancellationToken);
        }
    }

    private Telemetry? Telemetry(ref long sequence)
    {
        var telemetry = new Telemetry();
        var (points, firstOf) = (0, "");
        foreach (var member in _members.Values)
        {
            var added = member.AddTelemetry(telemetry, AgentPace.TelemetryItems);
            points += added;
            if (added > 0 && telemetry.Items.First(item => item.JobId == member.JobId && item.Metric is not null).Metric.Step == 1)
                firstOf = member.JobId;
        }
        if (telemetry.Items.Count == 0)
            return null;
        telemetry.Sequence = sequence += telemetry.Items.Count;
        counts.Offer(points);
        _unacknowledged.Enqueue((sequence, Stopwatch.GetTimestamp(), points, IsHeartbeat: false, firstOf));
        return telemetry;
    }

    // What they have to tell was sent; the process ends when that is acknowledged.
    private void EndThoseThatAreDone()
    {
        foreach (var member in _members.Values.Where(member => member.IsDone && _unacknowledged.Count == 0).ToList())
        {
            member.End();
            _change = 2;
        }
    }

    private Status Status(bool withLoad)
    {
        var status = new Status { AssignmentRevision = _revision, Leases = { _leases.Values } };
        foreach (var job in _members.Values.GroupBy(member => member.JobId, StringComparer.Ordinal))
            status.Groups.Add(new GroupStatus { JobId = job.Key, Members = { job.Select(member => member.Status()) } });
        if (withLoad)
            status.Load = new MachineLoad { ProcessorPercent = 50, Processors = 2, UsedMemoryBytes = 1L << 30, MemoryBytes = 1L << 34, FreeStorageBytes = 1L << 40 };
        return status;
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}

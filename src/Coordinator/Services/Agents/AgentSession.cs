using System.Threading.Channels;
using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Rendezvous;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Linformer.Protocol.Wire;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>What a session needs of the coordinator.</summary>
internal sealed record AgentContext(
    IGrainFactory Grains, IJobStore Jobs, ITelemetryStore Telemetry, SchedulerPoker Scheduler, long Epoch, ILogger Logger);

/// <summary>
/// One connected agent. Several loops run at once: one reads, one records telemetry, one waits for assignments, one per shared
/// generation waits for rendezvous values, and one writes what the others queue. When one ends, all do.
/// </summary>
internal sealed class AgentSession(AgentContext coordinator, string worker, long session)
{
    // Each queue is short: a peer that does not read, or a disk that does not write, holds up its own stream and nothing else.
    private const int QueuedMessages = 64;
    private const int QueuedTelemetry = 16;

    private static readonly TimeSpan TelemetryRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastWrites = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly IWorkerGrain _grain = coordinator.Grains.GetGrain<IWorkerGrain>(worker);
    private readonly Channel<Proto.CoordinatorMessage> _outgoing = Channel.CreateBounded<Proto.CoordinatorMessage>(QueuedMessages);
    private readonly Channel<Proto.Telemetry> _telemetry = Channel.CreateBounded<Proto.Telemetry>(QueuedTelemetry);
    private readonly TelemetryLosses _losses = new(worker, TimeProvider.System, coordinator.Logger);
    private readonly GenerationFeeds _rendezvous = new(coordinator.Grains, worker);

    /// <summary>Serves the agent until it goes, another session takes its place, or the coordinator stops.</summary>
    /// <param name="requests">What the agent sends after its Hello.</param>
    /// <param name="responses">To the agent.</param>
    /// <param name="stopping">Fires when the coordinator stops.</param>
    /// <param name="cancellationToken">Fires when the agent has gone.</param>
    public async Task RunAsync(
        IAsyncStreamReader<Proto.AgentMessage> requests,
        IServerStreamWriter<Proto.CoordinatorMessage> responses,
        CancellationToken stopping,
        CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellationToken);
        var writing = WriteAsync(responses);
        Task[] loops =
        [
            ReadAsync(requests, ended.Token),
            RecordAsync(ended.Token),
            AssignAsync(ended.Token),
            _rendezvous.RunAsync(SendAsync, ended.Token),
            writing,
        ];
        var first = await Task.WhenAny(loops);
        if (stopping.IsCancellationRequested)
            _outgoing.Writer.TryWrite(Goodbye("The coordinator is stopping; it may come back."));
        else if (first.Exception?.InnerException is WorkerRefusedException refused)
            _outgoing.Writer.TryWrite(Goodbye(refused.Message));
        _outgoing.Writer.TryComplete();
        await ended.CancelAsync();
        await Task.WhenAll(loops[..^1]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // A client that does not read must not keep the call.
        await Task.WhenAny(writing, Task.Delay(LastWrites, CancellationToken.None));
        // A client whose connection is closed drops what it has not read yet; it hangs up itself when it has read this.
        if (stopping.IsCancellationRequested)
            await Task.Delay(LastWords, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!stopping.IsCancellationRequested && first.Exception?.InnerException is not WorkerRefusedException)
            await first;
    }

    private async Task ReadAsync(IAsyncStreamReader<Proto.AgentMessage> requests, CancellationToken cancellationToken)
    {
        var known = new KnownJobs(coordinator.Jobs, coordinator.Telemetry);
        Proto.Status? before = null;
        while (await requests.MoveNext(cancellationToken))
        {
            var message = requests.Current;
            switch (message.KindCase)
            {
                case Proto.AgentMessage.KindOneofCase.Status:
                    await ReportAsync(message.Status, before, cancellationToken);
                    before = message.Status;
                    break;
                case Proto.AgentMessage.KindOneofCase.Telemetry:
                    QueueTelemetry(message.Telemetry);
                    break;
                case Proto.AgentMessage.KindOneofCase.Rendezvous:
                    await PublishAsync(known, message.Rendezvous, cancellationToken);
                    break;
                case Proto.AgentMessage.KindOneofCase.Hello:
                    throw Refusal.Invalid("A second Hello came on the stream; it is said once.");
                default:
                    // Of a later release: what is not known does no harm.
                    break;
            }
        }
    }

    private async Task ReportAsync(Proto.Status status, Proto.Status? before, CancellationToken cancellationToken)
    {
        if (!await _grain.Report(session, status.ToStatus(worker), cancellationToken))
            throw new WorkerRefusedException($"Another session of worker {worker} has taken this one's place.");
        _losses.Log(status);
        if (before is null || !SameShape(status, before))
            await coordinator.Scheduler.PokeAsync(worker, cancellationToken);
    }

    // Ranks apply steps all the time, which gives the scheduler nothing to decide.
    private static bool SameShape(Proto.Status one, Proto.Status other) => Shape(one).Equals(Shape(other));

    private static Proto.Status Shape(Proto.Status status)
    {
        var shape = status.Clone();
        foreach (var member in shape.Groups.SelectMany(group => group.Members))
        {
            member.AppliedStep = 0;
            member.StepMilliseconds = 0;
        }
        shape.LostMetricPoints = 0;
        shape.LostLogLines = 0;
        shape.GpuReadings.Clear();
        shape.Load = null;
        return shape;
    }

    private void QueueTelemetry(Proto.Telemetry telemetry)
    {
        if (telemetry.Items.Count > WireLimits.MaxTelemetryItems)
            throw Refusal.Invalid($"A telemetry message has {telemetry.Items.Count:#,0} items; at most {WireLimits.MaxTelemetryItems:#,0} are allowed.");
        if (!_telemetry.Writer.TryWrite(telemetry))
            throw Refusal.Exhausted($"{QueuedTelemetry} telemetry messages wait to be recorded, the most that are kept. Connect again and send from the last acknowledged one.");
    }

    private async Task RecordAsync(CancellationToken cancellationToken)
    {
        var intake = new TelemetryIntake(
            new KnownJobs(coordinator.Jobs, coordinator.Telemetry), coordinator.Telemetry, worker, coordinator.Logger, WarnAsync);
        await foreach (var message in _telemetry.Reader.ReadAllAsync(cancellationToken))
        {
            while (true)
            {
                try
                {
                    await intake.RecordAsync(message, cancellationToken);
                    break;
                }
                catch (StorageException exception) when (exception is not FencedException)
                {
                    coordinator.Logger.Error("Telemetry of worker {Worker:l} waits: {Reason:l}", worker, exception.Message);
                    await Task.Delay(TelemetryRetry, cancellationToken);
                }
            }
            await SendAsync(new Proto.CoordinatorMessage { TelemetryAck = new Proto.TelemetryAck { Sequence = message.Sequence } }, cancellationToken);
        }
    }

    // People look at a job's history, not at its log. A warning that does not get there is in the log all the same.
    private async Task WarnAsync(string jobId, string warning)
    {
        try
        {
            await coordinator.Grains.GetGrain<IJobGrain>(jobId).Apply(new JobWarned(worker, warning), CancellationToken.None);
        }
        catch (Exception exception)
        {
            coordinator.Logger.Warning("A warning of worker {Worker:l} is not in the history of job {JobId:l}: {Reason:l}", worker, jobId, exception.Message);
        }
    }

    private async Task PublishAsync(KnownJobs known, Proto.RendezvousValue value, CancellationToken cancellationToken)
    {
        if (value.Key.Length is 0 or > RendezvousLog.LongestKey || value.Value.Length > RendezvousLog.LargestValue)
        {
            throw Refusal.Invalid(
                $"The rendezvous value {Refusal.Show(value.Key)} has a key of {value.Key.Length:#,0} characters and {value.Value.Length:#,0} bytes; "
                + $"allowed are 1 to {RendezvousLog.LongestKey} characters and at most {RendezvousLog.LargestValue:#,0} bytes.");
        }
        if (value.Generation < 1 || await known.FindAsync(value.JobId, value.Lineage, value.Generation, cancellationToken) is null)
        {
            coordinator.Logger.Warning(
                "Worker {Worker:l} published for job {JobId:l}, lineage {Lineage}, generation {Generation}, which does not exist",
                worker, Refusal.Show(value.JobId), value.Lineage, value.Generation);
            return;
        }
        await coordinator.Grains.GetGrain<IRendezvousGrain>(value.JobId).Set(
            value.Lineage, value.Generation, new RendezvousEntry(worker, value.Key, [.. value.Value.Span]), cancellationToken);
    }

    private async Task AssignAsync(CancellationToken cancellationToken)
    {
        var revision = 0L;
        while (true)
        {
            if (await _grain.AssignmentAfter(session, revision, cancellationToken) is not { } assignment)
            {
                cancellationToken.ThrowIfCancellationRequested();
                continue;
            }
            revision = assignment.Revision;
            _rendezvous.Follow(assignment);
            await SendAsync(new Proto.CoordinatorMessage { Assignment = assignment.ToProto(coordinator.Epoch) }, cancellationToken);
        }
    }

    private async Task WriteAsync(IServerStreamWriter<Proto.CoordinatorMessage> responses)
    {
        await foreach (var message in _outgoing.Reader.ReadAllAsync())
            await responses.WriteAsync(message);
    }

    private async Task SendAsync(Proto.CoordinatorMessage message, CancellationToken cancellationToken)
    {
        try
        {
            await _outgoing.Writer.WriteAsync(message, cancellationToken);
        }
        catch (ChannelClosedException exception)
        {
            throw new OperationCanceledException("The session has ended.", exception);
        }
    }

    private static Proto.CoordinatorMessage Goodbye(string reason) => new() { Goodbye = new Proto.Goodbye { Reason = reason } };
}

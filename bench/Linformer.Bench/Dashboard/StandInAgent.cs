using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Status = Linformer.Protocol.V1.Status;

namespace Linformer.Bench.Dashboard;

/// <summary>Says that it trains a job on one slot, at a steady pace, and computes nothing.</summary>
internal sealed class StandInAgent : IDisposable
{
    private const int MessagesPerSecond = 4;
    private const int StepsOfCheckpoint = 100;

    private readonly GrpcChannel _channel;
    private readonly AsyncDuplexStreamingCall<AgentMessage, CoordinatorMessage> _call;
    private readonly SemaphoreSlim _writing = new(1);

    public StandInAgent(string endpoint, string joinToken)
    {
        _channel = GrpcChannel.ForAddress(endpoint);
        _call = new Agents.AgentsClient(_channel).Connect(new Metadata { { MetadataNames.Authorization, MetadataNames.BearerPrefix + joinToken } });
    }

    /// <summary>Joins, prepares the corpus of the job that waits, and forms its generation.</summary>
    public async Task<RankGroup> FormAsync(CancellationToken cancellationToken)
    {
        await SendAsync(new AgentMessage
        {
            Hello = new Hello
            {
                ProtocolVersion = ProtocolVersion.Current,
                Name = "stand-in",
                InstanceId = Guid.NewGuid().ToString(),
                Host = "stand-in",
                ProcessId = Environment.ProcessId,
                Address = "127.0.0.1",
                Slots = { new SlotOffer { Number = 0, Device = "cpu" } },
            },
        });
        await ReadUntilAsync(message => message.Welcome is not null, cancellationToken);
        await SendAsync(new AgentMessage { Status = new Status() });
        var prepare = (await ReadUntilAsync(message => message.Assignment is { Leases.Count: > 0 }, cancellationToken)).Assignment;
        await SendAsync(new AgentMessage { Status = Prepared(prepare) });
        var ready = (await ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 }, cancellationToken)).Assignment;
        await SendAsync(new AgentMessage { Status = Running(ready, MemberPhase.Waiting, 0) });
        var formed = (await ReadUntilAsync(message => message.Assignment is { } told && told.Groups is [{ Plan: not null }], cancellationToken)).Assignment;
        await SendAsync(new AgentMessage { Status = Running(formed, MemberPhase.Training, 0) });
        return formed.Groups[0];
    }

    /// <summary>Takes so many steps a second until it is cancelled; the heartbeats go along.</summary>
    public async Task TrainAsync(RankGroup group, int stepsPerSecond, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / MessagesPerSecond));
        var reading = ReadUntilAsync(_ => false, cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var (step, sequence) = (0L, 0L);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                var due = (long)(Stopwatch.GetElapsedTime(started).TotalSeconds * stepsPerSecond);
                if (due > step)
                    await SendAsync(new AgentMessage { Telemetry = Steps(group, step + 1, due, ++sequence) });
                if (due / stepsPerSecond > step / stepsPerSecond)
                    await SendAsync(new AgentMessage { Status = Running(new Assignment { Groups = { group } }, MemberPhase.Training, due) });
                step = Math.Max(step, due);
            }
        }
        catch (OperationCanceledException)
        {
            await reading.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    public void Dispose()
    {
        _call.Dispose();
        _channel.Dispose();
        _writing.Dispose();
    }

    private static Status Prepared(Assignment assignment)
    {
        var done = new ManifestResult { Documents = 1, Tokens = 100, VocabularySize = 300, Shards = 1 };
        return new Status
        {
            AssignmentRevision = assignment.Revision,
            Leases =
            {
                assignment.Leases.Select(lease => new LeaseStatus
                {
                    LeaseId = lease.LeaseId,
                    CorpusId = lease.CorpusId,
                    Phase = LeasePhase.Done,
                    Plan = new PlanResult { Fingerprint = "f", Folder = "cache/corpus", Shards = 1, VocabularySize = 300, Existing = done },
                }),
            },
        };
    }

    private static Status Running(Assignment assignment, MemberPhase phase, long step) => new()
    {
        AssignmentRevision = assignment.Revision,
        Groups =
        {
            assignment.Groups.Select(group => new GroupStatus
            {
                JobId = group.JobId,
                Members =
                {
                    group.Members.Select(place => new MemberStatus
                    {
                        Member = place.Member,
                        ProcessId = Environment.ProcessId,
                        Phase = phase,
                        Generation = group.Plan?.Generation ?? 0,
                        AppliedStep = step,
                        HoldsState = group.Plan is not null,
                    }),
                },
            }),
        },
    };

    private static Telemetry Steps(RankGroup group, long first, long last, long sequence)
    {
        var telemetry = new Telemetry { Sequence = sequence };
        for (var step = first; step <= last; step++)
        {
            var at = Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow);
            telemetry.Items.Add(Item(group, item => item.Metric = new MetricPoint
            {
                Step = step,
                At = at,
                WorldSize = 1,
                Loss = 5 + (1 / Math.Sqrt(step)),
                LearningRate = 1e-3,
                TokensPerSecond = 12_345,
                GradientNorm = 1.5,
            }));
            if (step % StepsOfCheckpoint == 0)
                telemetry.Items.Add(Item(group, item => item.Log = new LogText { Number = step, Text = $"Step {step}: loss 5.0" }));
        }
        return telemetry;
    }

    private static TelemetryItem Item(RankGroup group, Action<TelemetryItem> fill)
    {
        var item = new TelemetryItem { JobId = group.JobId, Member = group.Members[0].Member, Lineage = group.Plan.Lineage, Generation = group.Plan.Generation };
        fill(item);
        return item;
    }

    private async Task SendAsync(AgentMessage message)
    {
        await _writing.WaitAsync();
        try
        {
            await _call.RequestStream.WriteAsync(message);
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<CoordinatorMessage> ReadUntilAsync(Func<CoordinatorMessage, bool> fits, CancellationToken cancellationToken)
    {
        while (await _call.ResponseStream.MoveNext(cancellationToken))
        {
            if (fits(_call.ResponseStream.Current))
                return _call.ResponseStream.Current;
        }
        throw new InvalidOperationException("The coordinator has hung up on the stand-in for an agent.");
    }
}

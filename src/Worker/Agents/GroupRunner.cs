using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Linformer.Data;
using Linformer.Protocol.Wire;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>What a rank group tells its agent.</summary>
internal interface IGroupObserver
{
    /// <summary>The group's status has changed.</summary>
    /// <param name="urgent">Whether it is more than progress.</param>
    void Changed(bool urgent);

    /// <summary>Something to record.</summary>
    void Record(GroupKey group, int rank, V1.TelemetryItem item);

    /// <summary>A rank has set a value that other agents' ranks may wait for.</summary>
    void Published(V1.RendezvousValue value);
}

/// <summary>The ranks of one generation on this machine, from the assignment to the report of their end.</summary>
internal sealed class GroupRunner : IRankEvents, IDisposable
{
    private readonly V1.RankGroup _assigned;
    private readonly WorkerAgentOptions _options;
    private readonly IGroupObserver _observer;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SortedDictionary<int, V1.RankStatus> _ranks = [];
    private readonly Dictionary<int, long> _lines = [];
    private readonly List<V1.RendezvousValue> _early = [];
    private readonly V1.GroupStatus _end = new();
    private RankGroup? _group;
    private GroupStage _stage;
    private bool _training;

    public GroupRunner(GroupKey key, V1.RankGroup assigned, WorkerAgentOptions options, IGroupObserver observer, ILogger logger)
    {
        (Key, _assigned, _options, _observer) = (key, assigned, options, observer);
        _logger = logger.ForContext("JobId", key.JobId).ForContext("Lineage", key.Lineage).ForContext("Generation", key.Generation);
    }

    public GroupKey Key { get; }

    /// <summary>Completes when all processes have gone and the status says how it ended.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>For the reconciler.</summary>
    public HeldGroup Held
    {
        get
        {
            lock (_gate)
            {
                return new HeldGroup(Key, _stage, SlotsOf(_assigned));
            }
        }
    }

    private bool HasStarted
    {
        get
        {
            lock (_gate)
            {
                return _ranks.Count > 0;
            }
        }
    }

    public static ImmutableArray<int> SlotsOf(V1.RankGroup group) => [.. group.Ranks.Select(place => place.Slot)];

    /// <summary>Starts the ranks.</summary>
    /// <param name="after">When it completes; until then others are in the way.</param>
    public void Start(Task after) => Ended = Task.Run(() => RunAsync(after));

    /// <summary>The group ends before it has started.</summary>
    public void Skip() => End(V1.GroupOutcome.Stopped);

    /// <summary>Asks the ranks to finish their step, write a checkpoint and end.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (_stage != GroupStage.Running)
            {
                return;
            }

            _stage = GroupStage.Stopping;
        }

        // Not here: whoever calls holds a lock, and what has registered with the token starts to work.
        _ = _stop.CancelAsync();
        _observer.Changed(urgent: true);
    }

    /// <summary>Ends the ranks at once.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            if (_stage != GroupStage.Ended)
            {
                _stage = GroupStage.Dying;
                _group?.Kill();
            }
        }
    }

    /// <summary>Hands on a value that another agent's rank has set.</summary>
    public void GiveRendezvous(V1.RendezvousValue value)
    {
        lock (_gate)
        {
            if (_group is not null)
            {
                Give(_group, value);
            }
            else if (_stage != GroupStage.Ended)
            {
                _early.Add(value);
            }
        }
    }

    /// <summary>What the group is doing.</summary>
    public V1.GroupStatus Status()
    {
        lock (_gate)
        {
            var status = _end.Clone();
            (status.JobId, status.Lineage, status.Generation) = (Key.JobId, Key.Lineage, Key.Generation);
            status.Phase = _stage switch
            {
                GroupStage.Ended => V1.GroupPhase.Ended,
                GroupStage.Stopping or GroupStage.Dying => V1.GroupPhase.Stopping,
                _ => _training ? V1.GroupPhase.Running : V1.GroupPhase.Starting,
            };
            status.Ranks.AddRange(_ranks.Values.Select(rank => rank.Clone()));
            return status;
        }
    }

    public void Dispose() => _stop.Dispose();

    void IRankEvents.Started(int rank, int processId)
    {
        lock (_gate)
        {
            _ranks[rank] = new V1.RankStatus { Rank = rank, ProcessId = processId };
        }

        _observer.Changed(urgent: true);
    }

    void IRankEvents.Progress(int rank, ProgressMessage progress)
    {
        bool first;
        lock (_gate)
        {
            first = !_training;
            _training = true;
            if (_ranks.TryGetValue(rank, out var status))
            {
                status.AppliedStep = progress.Step;
                status.HoldsState = true;
            }
        }

        if (rank == 0)
        {
            _observer.Record(Key, rank, new V1.TelemetryItem { Metric = Metric(progress) });
        }

        _observer.Changed(urgent: first);
    }

    void IRankEvents.Checkpointed(int rank, CheckpointedMessage checkpoint)
    {
        _logger.ForContext("Rank", rank).ForContext("Step", checkpoint.Step).Information("Checkpoint {Checkpoint} is on disk", checkpoint.Checkpoint);
        var written = new V1.CheckpointWritten { Name = checkpoint.Checkpoint, Step = checkpoint.Step, Bytes = checkpoint.Bytes };
        written.Deleted.AddRange(checkpoint.Deleted ?? []);
        _observer.Record(Key, rank, new V1.TelemetryItem { Checkpoint = written });
    }

    void IRankEvents.Warned(int rank, string message)
    {
        _logger.ForContext("Rank", rank).Warning("Rank {Rank}: {Warning}", rank, message);
        _observer.Record(Key, rank, new V1.TelemetryItem { Warning = message });
    }

    void IRankEvents.LogLine(int rank, string line)
    {
        var number = _lines.GetValueOrDefault(rank) + 1;
        _lines[rank] = number;
        _observer.Record(Key, rank, new V1.TelemetryItem { Log = new V1.LogText { Number = number, Text = line } });
    }

    void IRankEvents.RendezvousSet(int rank, string key, byte[] value)
    {
        if (value.Length > WireLimits.MaxRendezvousBytes)
        {
            throw new RankProtocolException($"set the rendezvous key '{key}' to {value.Length} bytes; allowed between workers are {WireLimits.MaxRendezvousBytes}");
        }

        _observer.Published(new V1.RendezvousValue
        {
            JobId = Key.JobId,
            Lineage = Key.Lineage,
            Generation = Key.Generation,
            Key = key,
            Value = ByteString.CopyFrom(value),
        });
    }

    private V1.MetricPoint Metric(ProgressMessage progress)
    {
        var point = new V1.MetricPoint
        {
            Step = progress.Step,
            WorldSize = _assigned.WorldSize,
            Loss = progress.Loss,
            LearningRate = progress.LearningRate,
            TokensPerSecond = progress.TokensPerSecond,
        };
        if (progress.GradientNorm is { } norm)
        {
            point.GradientNorm = norm;
        }

        if (progress.HeldOutLoss is { } loss)
        {
            point.HeldOutLoss = loss;
        }

        return point;
    }

    private async Task RunAsync(Task after)
    {
        try
        {
            await after;
            if (Held.Stage == GroupStage.Dying)
            {
                End(V1.GroupOutcome.Failed, Failure("was ended by its worker", permanent: false));
                return;
            }

            var run = AssignmentReader.Read(_assigned, _options);
            LocalLauncher.Check(run);
            using var group = new RankGroup(run, this, _logger);
            Take(group);
            try
            {
                End(await group.RunAsync(_stop.Token), run);
            }
            finally
            {
                Release();
            }
        }
        catch (OperationCanceledException)
        {
            End(V1.GroupOutcome.Stopped);
        }
        catch (RankFailedException e)
        {
            End(V1.GroupOutcome.Failed, FailureReport.Of(e, Key.Generation, _options.Name));
        }
        catch (TimeoutException e)
        {
            _logger.Error("The ranks of {Job} were ended: {Reason}", _assigned.JobName, e.Message);
            End(V1.GroupOutcome.Failed, Failure($"did not stop within {_options.StopTimeout.TotalSeconds} s and was killed", permanent: false));
        }
        catch (Exception e)
        {
            _logger.Error(e, "The ranks of {Job} could not be run", _assigned.JobName);
            var reason = HasStarted ? $"was ended: {e.Message}" : $"could not be started: {e.Message}";
            End(V1.GroupOutcome.Failed, Failure(reason, permanent: e is BadDataException or ArgumentException));
        }
    }

    // From here on the ranks can be killed, and get what others have published before they were there.
    private void Take(RankGroup group)
    {
        lock (_gate)
        {
            _early.ForEach(value => Give(group, value));
            _early.Clear();
            _group = group;
            if (_stage == GroupStage.Dying)
            {
                group.Kill();
            }
        }
    }

    // Before it is disposed of.
    private void Release()
    {
        lock (_gate)
        {
            _group = null;
        }
    }

    private void Give(RankGroup group, V1.RendezvousValue value)
    {
        try
        {
            group.SetRendezvous(value.Key, value.Value.ToByteArray());
        }
        catch (RankProtocolException e)
        {
            _logger.Error("A rank of another worker {Reason}", e.Message);
            group.Kill();
        }
    }

    private void End(LocalRunResult result, LocalRun run)
    {
        if (result.Outcome == LocalRunOutcome.Killed)
        {
            End(V1.GroupOutcome.Failed, Failure("was ended by its worker", permanent: false));
            return;
        }

        if (result.Outcome == LocalRunOutcome.Stopped)
        {
            End(V1.GroupOutcome.Stopped);
            return;
        }

        lock (_gate)
        {
            _end.Summary = run.Ranks![0] == 0 ? Portable(result.Summaries[0]!) : "";
        }

        End(V1.GroupOutcome.Finished);
    }

    // The storage root is mounted elsewhere for others.
    private string Portable(string summary)
    {
        try
        {
            if (JsonNode.Parse(summary) is JsonObject fields && fields.ContainsKey("modelFolder"))
            {
                fields["modelFolder"] = _assigned.ModelFolder;
                return fields.ToJsonString();
            }
        }
        catch (JsonException)
        {
            // It is the rank's business what it says.
        }

        return summary;
    }

    private void End(V1.GroupOutcome outcome, params V1.RankFailure[] failures)
    {
        lock (_gate)
        {
            _stage = GroupStage.Ended;
            _early.Clear();
            _end.Outcome = outcome;
            _end.Failures.AddRange(failures);
            foreach (var rank in _ranks.Values)
            {
                rank.HoldsState = false;
            }
        }

        _logger.Information("The ranks of {Job} have ended: {Outcome}", _assigned.JobName, outcome);
        _observer.Changed(urgent: true);
    }

    private V1.RankFailure Failure(string reason, bool permanent) =>
        FailureReport.Of(_assigned.Ranks.Count > 0 ? _assigned.Ranks[0].Rank : 0, reason, permanent, Key.Generation, _options.Name);
}

using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Worker.Jobs;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using Serilog;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks;

/// <summary>
/// A rank process from its orders to the finished model: it gets warm, then takes part in one generation after the other, and
/// keeps model and optimizer in memory between them. The loss of another rank never ends it; that of its own GPU does.
/// </summary>
internal sealed class Member : IDisposable
{
    // Those who hold the state should bring it to a checkpoint together; it takes the launcher a moment to say so. A coordinator
    // that is away says nothing: then each writes alone.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(3);

    private readonly StartMessage _start;
    private readonly ILogger _log;
    private readonly LogPlace _place;
    private readonly RankGroups _groups;
    private readonly MemberParts _parts;
    private readonly CancellationTokenRegistration _stop;
    private JoinMessage? _newest;

    public Member(StartMessage start, RankControl control, Pulse pulse, ILogger log, LogPlace place)
    {
        (_start, _log, _place) = (start, log, place);
        set_num_threads(start.Threads);
        _groups = new RankGroups(start, control);
        var job = new LoadedJob(start, _groups.Device);
        if (job.WithoutKernels is { } reason)
        {
            log.Information("The model is computed operator by operator: {Reason}", reason);
        }

        if (job.Note is { } note)
        {
            log.Warning("{Note}", note);
        }

        job.Trainer.Advanced = pulse.Advance;
        var store = new CheckpointStore(Path.Combine(start.RunFolder, StorageLayout.CheckpointsName));
        var mark = new StorageMark(start.StorageRoot);
        var confirmations = new Confirmations(control.ReportProgress);
        _parts = new MemberParts(
            job,
            control,
            pulse,
            new Orders(),
            new StateKeeper(job, store, mark, confirmations, control, pulse, log),
            confirmations,
            new BackgroundCheckpoints(store, mark, start, control, pulse, log, job.Options),
            new StepSampler(job.Trainer.Clock, TimeProvider.System, ProcessMemory.Read, control.Send));
        control.OnJoin(_parts.Orders.Join);
        _stop = control.StopRequested.Register(_parts.Orders.Stop);
    }

    /// <summary>Takes part in the job until it is done or the process is asked to stop.</summary>
    public void Run()
    {
        _log.Information(
            "Member {Member} is ready on {Device} with {Group}: {Parameters} parameters, {Training} training and {HeldOut} held-out sequences",
            _start.Member, _groups.Device, _groups.Description, _parts.Job.Parameters, _parts.Job.TrainingSequences, _parts.Job.HeldOutSequences);
        _parts.Control.Send(new ReadyMessage());
        while (true)
        {
            if (WaitForJoin() is not { } join)
            {
                if (IsStateSafe())
                {
                    ReportStopped();
                    return;
                }

                continue;
            }

            _newest = join;
            _parts.Checkpoints.Joins(join);
            _place.Set(join);
            switch (TakePart(join))
            {
                case GenerationEnd.Finished:
                    return;
                case GenerationEnd.Stopped:
                    ReportStopped();
                    return;
            }
        }
    }

    public void Dispose()
    {
        _stop.Dispose();
        _parts.Checkpoints.Dispose();
        _parts.Confirmations.Dispose();
        _parts.Job.Dispose();
    }

    private JoinMessage? WaitForJoin()
    {
        JoinMessage? join = null;
        _parts.Pulse.Wait(() => join = _parts.Orders.WaitForJoin(_parts.State.HoldsState ? StopPatience : TimeSpan.Zero));
        return join;
    }

    // What this process holds may be in no other memory, so it does not end before that is in a checkpoint.
    private bool IsStateSafe()
    {
        if (_parts.State.Place is not { } place || _parts.Job.Trainer.Step == 0)
        {
            _parts.Checkpoints.FinishWriting();
            return true;
        }

        if (!_parts.Job.Trainer.Optimizer.Moments.Shard.IsWhole)
        {
            // Without the others it is no state to go on from.
            _parts.Checkpoints.FinishWriting();
            _parts.Control.ReportWarning($"Member {_start.Member} stops without the other ranks and holds a part of the optimizer's state (training.shardOptimizer): there is no checkpoint of step {_parts.Job.Trainer.Step}, and the job goes on from the newest one that there is.");
            return true;
        }

        var (lineage, generation) = place;
        var limits = (_newest!.LineageLimits ?? []).Take(lineage).ToList();
        var origins = _newest.LineageOrigins?.Take(lineage).ToList();
        return _parts.Checkpoints.WriteLast(
            _parts.Job.Trainer, _newest with { Lineage = lineage, Generation = generation, LineageLimits = limits, LineageOrigins = origins });
    }

    private GenerationEnd TakePart(JoinMessage join)
    {
        string? broken = null;
        long? badStep = null;
        try
        {
            if (TakePartInGroup(join) is not GenerationEnd.Left and var end)
            {
                return end;
            }
        }
        catch (ProcessGroupAbortedException e)
        {
            broken = e.InnerException?.Message ?? e.Reason;
        }
        catch (ProcessGroupException e) when (e is not GpuFailedException)
        {
            broken = e.Reason;
        }
        catch (Exception e) when (e is StateExchangeException or ReplacedException)
        {
            broken = e.Message;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Storage may be back, or have room, in a while; what is in memory is not given up for it.
            broken = $"met a fault of its storage: {e.Message}";
            _parts.Control.ReportWarning($"Member {_start.Member} {broken}");
        }
        catch (BadLossException e) when (_parts.Job.Options.OnBadLoss == BadLossRule.Back)
        {
            (broken, badStep) = (e.Reason, e.Step);
        }
        finally
        {
            _parts.Sampler.End();
        }

        // What others have confirmed is told first.
        _parts.Confirmations.Flush();
        var step = _parts.Job.Trainer.Step;
        _log.Information("Left generation {Generation} after step {Step}: {Reason}", join.Generation, step, broken ?? "as asked");
        _parts.Control.Send(new LeftMessage(join.Generation, step, _parts.State.HoldsState, broken, badStep));
        return GenerationEnd.Left;
    }

    // The group is gone when this returns or throws, so that the others, who may wait for this rank, fail at once.
    private GenerationEnd TakePartInGroup(JoinMessage join)
    {
        using var group = _groups.Make(join);
        try
        {
            _parts.Orders.Enter(join, group, _parts.Job.Trainer.RequestLeave, _parts.Job.Trainer.RequestStop);
            if (group is QueuedProcessGroup queued)
            {
                _parts.Pulse.Wait(queued.Connected.Wait);
            }

            using var observed = new ObservedGroup(group, _parts.Pulse);
            return new GenerationRun(_parts, join, observed, _log).Run();
        }
        finally
        {
            _parts.Orders.Leave();
            _parts.Job.Trainer.Leave();
        }
    }

    private void ReportStopped()
    {
        _log.Information("Stopped after step {Step}", _parts.Job.Trainer.Step);
        _parts.Control.ReportStopped(_parts.Job.Trainer.Step);
    }
}

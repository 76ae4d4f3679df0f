using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Ranks;

/// <summary>How a rank came to hold the state that its generation goes on from.</summary>
/// <param name="Source">"held", "received", "checkpoint NAME" or "fresh".</param>
/// <param name="IsRoot">Whether the others have it from this rank.</param>
/// <param name="WasHeld">Whether some rank had it in memory, rather than from a checkpoint or anew.</param>
/// <param name="Stop">Whether some rank was asked to stop.</param>
/// <param name="Lost">A further step than the one from which all go on, and why none can go on from there; null for none.</param>
internal sealed record TakenOver(string Source, bool IsRoot, bool WasHeld, bool Stop, LostState? Lost = null);

/// <summary>A state that ranks hold in part.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Reason">What is missing, as a sentence without its end.</param>
internal sealed record LostState(long Step, string Reason);

/// <summary>Knows whose the state is that this process has in memory, and takes part in the exchange when it joins a generation.</summary>
internal sealed class StateKeeper(
    LoadedJob job, CheckpointStore store, StorageMark mark, Confirmations confirmations, RankControl control, Pulse pulse, ILogger log)
{
    private const string Held = "held";
    private const string Received = "received";
    /// <summary>The source of first values.</summary>
    public const string Fresh = "fresh";

    // The lineage and generation in which the state's last step was computed; null while there is only what the process began with.
    private (int Lineage, int Generation)? _place;

    /// <summary>The lineage and generation in which the state's last step was computed; null when there is nothing worth keeping.</summary>
    public (int Lineage, int Generation)? Place => _place;

    /// <summary>Whether the trainer's state is worth something to others.</summary>
    public bool HoldsState => _place is not null;

    /// <summary>The trainer has applied a step.</summary>
    public void Applied(JoinMessage join) => _place = (join.Lineage, join.Generation);

    /// <summary>Brings all ranks of a group to the same state. When this throws, this rank holds what it held.</summary>
    /// <exception cref="StateExchangeException">No rank holds what the generation must go on from, or what arrived was wrong.</exception>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    /// <exception cref="IOException">The storage is gone.</exception>
    /// <exception cref="CheckpointException">
    /// A checkpoint was found and cannot be used; the process holds nothing any more. Or a person has chosen one to go on from, and there
    /// is none that counts.
    /// </exception>
    public TakenOver TakeOver(JoinMessage join, IProcessGroup group, bool stop)
    {
        var holds = _place is { } place && place.Lineage == join.Lineage;
        var offers = StateExchange.Gather(group, new StateOffer(holds, _place?.Generation ?? 0, job.Trainer.Step, stop));
        var anyStop = offers.Any(offer => offer.Stop);
        if (job.Trainer.IsSharded)
        {
            return TakeOverParts(join, group, holds, anyStop);
        }

        var root = StateExchange.ChooseRoot(offers);
        if (root is null || offers[root.Value].Step < join.CommittedStep)
        {
            if (join.MustHold)
            {
                throw new StateExchangeException($"found that no rank holds step {join.CommittedStep}");
            }

            var furthest = root is { } r ? offers[r].Step : -1;
            if (FromCheckpoint(join, group, furthest) is { } source)
            {
                return new TakenOver(source, IsRoot: group.Rank == 0, WasHeld: false, anyStop);
            }
        }

        var receivers = StateExchange.Receivers(offers, root!.Value);
        var received = Transfer(group, root.Value, receivers);
        _place = (join.Lineage, (int)offers[root.Value].Generation);
        return new TakenOver(received ? Received : Held, IsRoot: group.Rank == root, WasHeld: true, anyStop);
    }

    /// <summary>The same where the optimizer's state is shared out over the ranks.</summary>
    private TakenOver TakeOverParts(JoinMessage join, IProcessGroup group, bool holds, bool stop)
    {
        var offers = ShardExchange.Gather(group, job.Trainer.Offer(holds ? _place!.Value.Generation : null));
        var plan = ShardRecovery.Decide(offers, job.Trainer.Parameters.Length);
        var lost = ShardRecovery.Furthest(offers) is { } furthest && furthest != plan?.Place
            ? new LostState(furthest.Step, $"The ranks that are left hold step {furthest.Step} without a part of the optimizer's state, which was on ranks that are lost (training.shardOptimizer keeps each part on two)")
            : null;
        if (plan is null || plan.Place.Step < join.CommittedStep)
        {
            // The coordinator has waited for those who may have what is missing.
            if (join.MustHold && lost is null)
            {
                throw new StateExchangeException($"found that no rank holds step {join.CommittedStep}");
            }

            if (FromCheckpoint(join, group, plan?.Place.Step ?? -1) is { } source)
            {
                return new TakenOver(source, IsRoot: group.Rank == 0, WasHeld: false, stop, lost);
            }
        }

        var received = Transfer(group, offers, plan!);
        _place = (join.Lineage, (int)plan!.Place.Generation);
        return new TakenOver(received ? Received : Held, IsRoot: group.Rank == plan.Root, WasHeld: true, stop, lost);
    }

    private bool Transfer(IProcessGroup group, IReadOnlyList<ShardOffer> offers, ShardPlan plan)
    {
        var note = group.Rank == plan.Root && !plan.Receivers.IsEmpty ? confirmations.Export() : [];
        var received = ShardExchange.Transfer(job.Trainer, group, offers, plan, note);
        if (received is null)
        {
            return false;
        }

        confirmations.Import(received);
        return true;
    }

    /// <summary>Lets rank 0 look for a checkpoint that is further than what ranks hold, and gives it to all.</summary>
    /// <returns>Where this rank's state is from; null when what ranks hold is further.</returns>
    private string? FromCheckpoint(JoinMessage join, IProcessGroup group, long furthest)
    {
        var found = group.Rank == 0 ? Find(join, furthest) : null;
        var numbers = StateExchange.GatherNumbers(group, found?.Id.Step ?? -1, found?.Id.Generation ?? 0)[0];
        var (step, generation) = (numbers[0], (int)numbers[1]);
        if (furthest >= 0 && step <= furthest)
        {
            return null;
        }

        var source = Received;
        if (group.Rank == 0)
        {
            // Until it is whole, what is in memory is nothing to offer.
            _place = null;
            source = found is null ? Fresh : $"checkpoint {found.Id}";
            Load(found);
            confirmations.ForgetAfter(job.Trainer.Step);
            _place = (join.Lineage, generation);
        }

        if (job.Trainer.IsSharded)
        {
            var offers = ShardExchange.AllWith(group.WorldSize, root: 0, new StatePlace(generation, step));
            Transfer(group, offers, ShardRecovery.Decide(offers, job.Trainer.Parameters.Length)!);
        }
        else
        {
            Transfer(group, root: 0, [.. Enumerable.Range(1, group.WorldSize - 1)]);
        }

        _place = (join.Lineage, generation);
        return source;
    }

    private CheckpointInfo? Find(JoinMessage join, long furthest)
    {
        var lineage = join.Checkpoints();
        var found = store.FindNewestValid(lineage, Warn, pulse.Advance);
        if (found is null)
        {
            // None in a folder that is not the storage does not mean that the job begins anew.
            mark.Check();
            if (furthest < 0 && lineage.LastChoice is { } choice)
            {
                // Whoever has chosen a checkpoint did not mean the beginning; another one may be chosen instead.
                throw new CheckpointException(
                    $"{store.Folder}: checkpoint {choice}, with which training was to go on, is not there any more, or is damaged, and there is no other one that counts for lineage {join.Lineage}. Go back to another checkpoint.");
            }
        }
        else if (lineage.Origin is { } origin && found.Id != origin && found.Id.Lineage != join.Lineage && found.Id.Step > furthest)
        {
            // A person has chosen it, and should not have to find out from the numbers that it is not there.
            log.Warning("Checkpoint {Checkpoint}, which lineage {Lineage} was to begin with, is not there whole", origin, join.Lineage);
            control.ReportWarning($"Checkpoint {origin}, which lineage {join.Lineage} was to begin with, is not on the storage any more, or is damaged: it begins with {found.Id}.");
        }

        return found;
    }

    private void Load(CheckpointInfo? checkpoint)
    {
        if (checkpoint is null)
        {
            job.StartAnew();
        }
        else
        {
            TrainerCheckpoint.Restore(checkpoint, job.Trainer, job.Options.GlobalBatch, pulse.Advance);
        }
    }

    // True when this rank has received the state.
    private bool Transfer(IProcessGroup group, int root, IReadOnlyList<int> receivers)
    {
        var note = group.Rank == root && receivers.Count > 0 ? confirmations.Export() : [];
        var received = StateExchange.Transfer(job.Trainer, group, root, receivers, note);
        if (!receivers.Contains(group.Rank))
        {
            return false;
        }

        confirmations.Import(received);
        return true;
    }

    private void Warn(CheckpointDamage damage)
    {
        log.Warning("{Damage}", damage);
        control.ReportWarning(damage.ToString());
    }
}

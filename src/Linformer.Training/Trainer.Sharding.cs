using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using static TorchSharp.torch;

namespace Linformer.Training;

// Optimizer state that is shared out over the ranks (ZeRO, stage 1). Every rank has the summed gradients; it updates its own part of the
// parameters, and receives the others' parts.
public sealed partial class Trainer
{
    private readonly List<Moments> _kept = [];

    /// <summary>Whether the moments are shared out over the ranks.</summary>
    public bool IsSharded => _options.ShardOptimizer;

    /// <summary>
    /// A step whose summed gradients are in <see cref="FlatParameters.Gradients"/>, for the moments that this rank holds, and whose last
    /// collective has not succeeded on this rank; null for none.
    /// </summary>
    public UnfinishedStep? Unfinished { get; private set; }

    /// <summary>All moments of the state that this rank holds: those that it trains with, and before <see cref="Settle"/> those that it has given away.</summary>
    public IReadOnlyList<Moments> HeldMoments => [Optimizer.Moments, .. _kept];

    /// <summary>Puts all moments, and with local steps the outer momentum, to zero. A trainer whose moments are shared out holds all of them then, until it joins a group.</summary>
    public void ClearMoments()
    {
        HoldAllMoments();
        Optimizer.FirstMoment.zero_();
        Optimizer.SecondMoment.zero_();
        Outer?.Momentum.zero_();
    }

    /// <summary>Makes room for the moments of all parameters; what they are is undefined.</summary>
    internal void HoldAllMoments()
    {
        Settle();
        Unfinished = null;
        if (!Optimizer.Moments.Shard.IsWhole)
        {
            Optimizer.Exchange(new Moments(Parameters.Values, Shard.Whole)).Dispose();
        }
    }

    /// <summary>Goes on from a state that is complete only together with what other ranks hold.</summary>
    /// <param name="state">Counters and histories; the parameters are in the buffers already.</param>
    /// <param name="moments">The moments that this rank trains with from now on.</param>
    /// <param name="given">Moments of the same state that it keeps until all others have theirs too; disposed here.</param>
    internal void ContinueFrom(TrainerState state, Moments moments, IReadOnlyCollection<Moments> given)
    {
        State = state;
        Unfinished = null;
        var before = HeldMoments;
        Optimizer.Exchange(moments);
        _kept.Clear();
        // Twice the same is no safer than once.
        _kept.AddRange(given.Where(one => one != moments).DistinctBy(one => one.Shard));
        foreach (var one in before.Concat(given).Distinct().Where(one => one != moments && !_kept.Contains(one)))
        {
            one.Dispose();
        }
    }

    /// <summary>All ranks have what they need: what this one still keeps for others goes.</summary>
    public void Settle()
    {
        _kept.ForEach(moments => moments.Dispose());
        _kept.Clear();
    }

    /// <summary>Gathers the moments of all parameters, for a checkpoint. All ranks call this at the same step.</summary>
    /// <param name="keep">Whether this rank wants them.</param>
    /// <returns>The moments, on the CPU; null on a rank that does not want them, and where each rank has them anyway.</returns>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public Moments? GatherMoments(bool keep)
    {
        var group = Group;
        if (!SharesOut(group))
        {
            return null;
        }

        using var noGrad = no_grad();
        var whole = keep ? new Moments(Parameters.Values, Shard.Whole, onCpu: true) : null;
        try
        {
            Gather(moments => moments.First);
            Gather(moments => moments.Second);
            return whole;
        }
        catch
        {
            whole?.Dispose();
            throw;
        }

        void Gather(Func<(Tensor First, Tensor Second), Tensor> which) => PartGather.Run(
            group,
            Parameters.Values,
            _options.BucketElements,
            (piece, into) => into.copy_(which(Optimizer.Moments.Of(piece))),
            (_, piece, chunk) =>
            {
                if (whole is not null)
                {
                    which(whole.Of(piece)).copy_(chunk);
                }
            });
    }

    // Two ranks hold everything, since each part is on two ranks.
    private bool SharesOut(IProcessGroup group) => IsSharded && !Shard.Of(group.WorldSize, group.Rank).IsWhole;

    private void CheckShards()
    {
        if (_options is { ShardOptimizer: true, LocalSteps: > 1 })
        {
            throw new ArgumentException($"The optimizer's state is to be shared out over the ranks, and localSteps is {_options.LocalSteps}; ranks that take steps by themselves each need all of it.");
        }
    }

    /// <summary>Lets go of the moments that this rank does not need in a group.</summary>
    private void TakeShard(IProcessGroup group)
    {
        if (!IsSharded)
        {
            return;
        }

        var shard = Shard.Of(group.WorldSize, group.Rank);
        if (Optimizer.Moments.Shard == shard)
        {
            return;
        }

        // Before the first update all moments are zero.
        if (State.Updates > 0 && !shard.Ranges(Parameters.Length).All(Optimizer.Moments.Holds))
        {
            throw new InvalidOperationException($"Rank {group.Rank} of {group.WorldSize} lacks moments that it needs; they are with other ranks.");
        }

        var moments = new Moments(Parameters.Values, shard);
        moments.CopyFrom(Optimizer.Moments);
        Optimizer.Exchange(moments).Dispose();
    }

    /// <summary>Takes a step whose gradients are summed, on all ranks or, if this throws, not on this one.</summary>
    /// <param name="group">The ranks.</param>
    /// <param name="next">The state behind the step.</param>
    /// <param name="update">The update; null if the step changes no parameter.</param>
    private void Take(IProcessGroup group, TrainerState next, AdamWUpdate? update)
    {
        if (SharesOut(group))
        {
            // Once one rank has taken the step, all others know that they can.
            Unfinished = new UnfinishedStep(group.Generation, next, update);
            if (update is { } known)
            {
                GatherValues(group, known);
            }
            else
            {
                group.Barrier().Wait();
            }

            Unfinished = null;
        }
        else if (update is { } whole)
        {
            Optimizer.Update(whole.Update, whole.LearningRate, whole.GradientScale, from: 0, Parameters.Length);
        }

        State = next;
    }

    /// <summary>
    /// Updates all parameters, those of other parts from what their ranks have computed. Nothing is written before all is there, but the
    /// gradients of parts whose moments this rank does not hold: that is where the parameters of these parts wait.
    /// </summary>
    private void GatherValues(IProcessGroup group, AdamWUpdate update)
    {
        var moments = Optimizer.Moments;
        PartGather.Run(
            group,
            Parameters.Values,
            _options.BucketElements,
            (piece, into) => Preview(update, piece, into),
            (_, piece, chunk) =>
            {
                if (!moments.Holds(piece))
                {
                    Parameters.Gradients.narrow(0, piece.From, piece.Length).copy_(chunk);
                }
            },
            Clock);

        using var scope = NewDisposeScope();
        for (var part = 0; part < group.WorldSize; part++)
        {
            var range = Shard.Part(Parameters.Length, group.WorldSize, part);
            if (range.Length > 0 && !moments.Holds(range))
            {
                Parameters.Values.narrow(0, range.From, range.Length).copy_(Parameters.Gradients.narrow(0, range.From, range.Length));
            }
        }

        foreach (var range in moments.Ranges)
        {
            Optimizer.Update(update.Update, update.LearningRate, update.GradientScale, range.From, range.Length);
        }
    }

    /// <summary>Computes the parameters behind an update and writes them elsewhere.</summary>
    private void Preview(AdamWUpdate update, BufferRange range, Tensor into)
    {
        using var scope = NewDisposeScope();
        var (first, second) = Optimizer.Moments.Of(range);
        into.copy_(Parameters.Values.narrow(0, range.From, range.Length));
        Optimizer.Update(update, range, into, first.clone(), second.clone());
    }

    /// <summary>The moments that this rank holds, brought behind its unfinished step, in a copy.</summary>
    internal Moments FinishedMoments()
    {
        var unfinished = Unfinished ?? throw new InvalidOperationException("No step is unfinished.");
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var moments = new Moments(Parameters.Values, Optimizer.Moments.Shard);
        moments.CopyFrom(Optimizer.Moments);
        if (unfinished.Update is { } update)
        {
            foreach (var range in moments.Ranges)
            {
                Optimizer.Update(update, range, Parameters.Values.narrow(0, range.From, range.Length).clone(), moments);
            }
        }

        return moments;
    }

    /// <summary>What this rank holds, for the decision from where a new generation goes on.</summary>
    /// <param name="generation">The generation in which its last step was computed; null if what it holds is of no use.</param>
    public ShardOffer Offer(long? generation) => generation is { } known
        ? new ShardOffer(
            new StatePlace(known, Step),
            [.. HeldMoments.Select(moments => moments.Shard)],
            Unfinished is { } unfinished ? new StatePlace(unfinished.Generation, unfinished.Next.Step) : null)
        : ShardOffer.None;
}

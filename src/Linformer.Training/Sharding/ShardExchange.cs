using System.Collections.Immutable;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training.Sharding;

/// <summary>
/// How the ranks of a new generation come to hold the same state whose moments are shared out: all say what they hold,
/// <see cref="ShardRecovery"/> decides, and whoever lacks parameters or moments receives them.
/// </summary>
/// <remarks>
/// What is received goes into staging buffers, is compared by SHA-256 with what was sent, and becomes the state only once all ranks have
/// said that theirs is right; whatever breaks before leaves everybody as they were. Some ranks may come to know that and others not. So
/// who has got there keeps all that it could give until <see cref="Trainer.Settle"/>, which it calls once it knows that all have.
/// </remarks>
public static class ShardExchange
{
    // Of an offer without its shards.
    private const int FixedNumbers = 5;

    /// <summary>What all ranks hold, by rank.</summary>
    /// <param name="group">The generation's group; all its ranks call this.</param>
    /// <param name="mine">What this rank holds.</param>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public static IReadOnlyList<ShardOffer> Gather(IProcessGroup group, ShardOffer mine)
    {
        var most = (int)StateExchange.GatherNumbers(group, mine.Held.Length).Max(counts => counts[0]);
        return [.. StateExchange.GatherNumbers(group, ToNumbers(mine, most)).Select(FromNumbers)];
    }

    /// <summary>What ranks hold when one of them has all of a state and the others have nothing.</summary>
    /// <param name="worldSize">Ranks.</param>
    /// <param name="root">The one.</param>
    /// <param name="place">The place of its state.</param>
    public static IReadOnlyList<ShardOffer> AllWith(int worldSize, int root, StatePlace place) =>
        [.. Enumerable.Range(0, worldSize).Select(rank => rank == root ? new ShardOffer(place, [Shard.Whole], null) : ShardOffer.None)];

    /// <summary>Gives parameters and moments to those who need them. When this throws, this rank's state is as it was.</summary>
    /// <param name="trainer">This rank's trainer, between two steps.</param>
    /// <param name="group">The generation's group; all its ranks call this.</param>
    /// <param name="offers">What the ranks hold, by rank.</param>
    /// <param name="plan">What was decided; the same on all ranks.</param>
    /// <param name="note">Travels with the root's parameters; what others than the root pass does not count.</param>
    /// <returns>The root's note on a rank that has received parameters; null on all others.</returns>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    /// <exception cref="StateExchangeException">What arrived at some rank is not what was sent.</exception>
    public static byte[]? Transfer(Trainer trainer, IProcessGroup group, IReadOnlyList<ShardOffer> offers, ShardPlan plan, ReadOnlySpan<byte> note)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var mine = offers[group.Rank];
        var given = Given(trainer, mine, plan.Place);
        var shard = Shard.Of(group.WorldSize, group.Rank);
        var moments = given.FirstOrDefault(one => one.Shard == shard) ?? new Moments(trainer.Parameters.Values, shard);
        try
        {
            if (!given.Contains(moments))
            {
                given.ForEach(moments.CopyFrom);
            }

            var (header, values) = TransferValues(trainer, group, plan, note);
            foreach (var piece in plan.Pieces)
            {
                Transfer(trainer, group, piece, given, moments);
            }

            var received = header is null ? null : StateHeader.FromJson(header);
            var state = received?.ToState() ?? trainer.State;
            if (values is not null)
            {
                trainer.Parameters.Values.copy_(values);
            }

            trainer.ContinueFrom(state, moments, given);
            return received?.Note;
        }
        catch
        {
            foreach (var made in given.Append(moments).Distinct().Except(trainer.HeldMoments))
            {
                made.Dispose();
            }

            throw;
        }
    }

    /// <summary>The moments that this rank can give at a place.</summary>
    private static List<Moments> Given(Trainer trainer, ShardOffer mine, StatePlace place)
    {
        if (mine.HeldAt(place).IsEmpty)
        {
            return [];
        }

        return mine.Applied == place ? [.. trainer.HeldMoments] : [trainer.FinishedMoments()];
    }

    /// <summary>Sends the root's counters and parameters, if somebody needs them.</summary>
    /// <returns>What a receiver has received; nulls on all others.</returns>
    private static (byte[]? Header, Tensor? Values) TransferValues(Trainer trainer, IProcessGroup group, ShardPlan plan, ReadOnlySpan<byte> note)
    {
        if (plan.Receivers.IsEmpty)
        {
            return (null, null);
        }

        var (isRoot, receives) = (group.Rank == plan.Root, plan.Receivers.Contains(group.Rank));
        var header = StateExchange.BroadcastBytes(group, plan.Root, isRoot ? StateHeader.Of(trainer.State, note).ToJson() : []);
        var values = receives ? empty_like(trainer.Parameters.Values) : trainer.Parameters.Values;
        var hash = StateExchange.BroadcastState(group, plan.Root, [values], header, passes: !isRoot && !receives);
        StateExchange.CheckAllRight(group, plan.Root, hash, mustMatch: receives);
        return receives ? (header, values) : (null, null);
    }

    private static void Transfer(Trainer trainer, IProcessGroup group, ShardPiece piece, List<Moments> given, Moments moments)
    {
        var (isSource, receives) = (group.Rank == piece.Source, piece.Receivers.Contains(group.Rank));
        // Whoever only passes it on needs to know how much it is.
        var like = trainer.Parameters.Values.narrow(0, piece.Range.From, piece.Range.Length);
        var (first, second) = isSource ? given.Find(one => one.Holds(piece.Range))!.Of(piece.Range) : receives ? moments.Of(piece.Range) : (like, like);
        var hash = StateExchange.BroadcastState(group, piece.Source, [first, second], [], passes: !isSource && !receives);
        StateExchange.CheckAllRight(group, piece.Source, hash, mustMatch: receives);
    }

    private static long[] ToNumbers(ShardOffer offer, int shards)
    {
        var numbers = new long[FixedNumbers + (2 * shards)];
        numbers[0] = (offer.Applied is null ? 0 : 1) + (offer.Unfinished is null ? 0 : 2);
        (numbers[1], numbers[2]) = (offer.Applied?.Generation ?? 0, offer.Applied?.Step ?? 0);
        (numbers[3], numbers[4]) = (offer.Unfinished?.Generation ?? 0, offer.Unfinished?.Step ?? 0);
        for (var i = 0; i < offer.Held.Length; i++)
        {
            (numbers[FixedNumbers + (2 * i)], numbers[FixedNumbers + (2 * i) + 1]) = (offer.Held[i].World, offer.Held[i].Rank);
        }

        return numbers;
    }

    private static ShardOffer FromNumbers(long[] numbers)
    {
        var shards = numbers.Skip(FixedNumbers).Chunk(2).Select(shard => new Shard((int)shard[0], (int)shard[1])).Where(shard => shard != Shard.None);
        return new ShardOffer(
            (numbers[0] & 1) == 0 ? null : new StatePlace(numbers[1], numbers[2]),
            shards.ToImmutableArray(),
            (numbers[0] & 2) == 0 ? null : new StatePlace(numbers[3], numbers[4]));
    }
}

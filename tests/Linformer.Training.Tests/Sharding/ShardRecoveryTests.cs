using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.Sharding;

namespace Linformer.Training.Tests.Sharding;

/// <summary>The decision over every way in which a step can be cut off, and over ranks that hold anything at all.</summary>
public class ShardRecoveryTests
{
    private const int Unit = 16;
    private const int Units = 37;
    private const long Length = Unit * Units;
    private static readonly StatePlace Before = new(3, 10);
    private static readonly StatePlace After = new(4, 11);

    /// <summary>How far a rank was when its generation broke.</summary>
    private enum Progress
    {
        /// <summary>It has not all of the summed gradients.</summary>
        Summing,

        /// <summary>It has them, and waits for the parameters of the others.</summary>
        Gathering,

        /// <summary>It has applied the step.</summary>
        Applied,
    }

    [Fact]
    public void The_loss_of_any_rank_at_any_moment_of_a_step_leaves_a_whole_state_for_any_number_of_ranks()
    {
        // The last collective succeeds on no rank before the one before it has on all.
        var moments =
            from world in Gen.Choose(3, 9)
            from lost in Gen.Choose(0, world - 1)
            from hasApplied in Gen.Elements(true, false)
            from progress in Gen.ArrayOf(Gen.Elements(hasApplied ? [Progress.Gathering, Progress.Applied] : new[] { Progress.Summing, Progress.Gathering }), world)
            from newcomers in Gen.Choose(0, 2)
            from order in Gen.Shuffle(Enumerable.Range(0, world - 1 + newcomers))
            select (world, lost, progress, order);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(moments.ToArbitrary(), moment =>
        {
            var (world, lost, progress, order) = moment;
            var survivors = Enumerable.Range(0, world).Where(rank => rank != lost).Select(rank => OfStep(world, rank, progress[rank])).ToList();
            var offers = order.Select(i => i < survivors.Count ? survivors[i] : ShardOffer.None).ToList();

            var plan = ShardRecovery.Decide(offers, Length).ShouldNotBeNull();

            var anyApplied = Enumerable.Range(0, world).Any(rank => rank != lost && progress[rank] == Progress.Applied);
            plan.Place.ShouldBe(anyApplied ? After : Before);
            ShouldWork(plan, offers);
        }));
    }

    [Fact]
    public void Whatever_ranks_hold_the_plan_is_the_furthest_that_is_complete_and_gives_each_what_it_lacks()
    {
        var place = from generation in Gen.Choose(1, 2) from step in Gen.Choose(1, 2) select new StatePlace(generation, step);
        var shard = from world in Gen.Choose(1, 5) from rank in Gen.Choose(0, world - 1) select Shard.Of(world, rank);
        var offer =
            from holds in Gen.Elements(true, true, false)
            from applied in place
            from shards in Gen.NonEmptyListOf(shard)
            from isUnfinished in Gen.Elements(true, false)
            from unfinished in place
            select holds ? new ShardOffer(applied, [.. shards.Take(2)], isUnfinished && unfinished != applied ? unfinished : null) : ShardOffer.None;
        var (plans, fallbacks, none) = (0, 0, 0);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(Gen.NonEmptyListOf(offer).ToArbitrary(), list =>
        {
            var offers = list.Take(6).ToList();
            var complete = offers.Where(one => one.Applied is { } applied && IsComplete(offers, applied)).Select(one => one.Applied!.Value).ToList();
            var plan = ShardRecovery.Decide(offers, Length);
            if (plan is null)
            {
                none++;
                complete.ShouldBeEmpty();
                return;
            }

            plans++;
            fallbacks += plan.Place == ShardRecovery.Furthest(offers) ? 0 : 1;
            plan.Place.ShouldBe(complete.OrderBy(other => other.Generation).ThenBy(other => other.Step).Last());
            ShouldWork(plan, offers);
        }));
        new[] { plans, fallbacks, none }.ShouldAllBe(count => count > 50);
    }

    [Fact]
    public void Two_neighbours_that_are_lost_take_a_part_with_them_and_others_do_not()
    {
        for (var world = 3; world <= 8; world++)
        {
            for (var first = 0; first < world; first++)
            {
                for (var second = first + 1; second < world; second++)
                {
                    var offers = Enumerable.Range(0, world).Where(rank => rank != first && rank != second).Select(rank => OfStep(world, rank, Progress.Applied)).ToList();
                    var areNeighbours = second == first + 1 || (first == 0 && second == world - 1);
                    (ShardRecovery.Decide(offers, Length) is null).ShouldBe(areNeighbours, $"ranks {first} and {second} of {world}");
                    ShardRecovery.Furthest(offers).ShouldBe(After);
                }
            }
        }
    }

    [Fact]
    public void When_all_hold_what_they_need_nothing_travels()
    {
        var offers = Enumerable.Range(0, 5).Select(rank => OfStep(5, rank, Progress.Applied)).ToList();
        var plan = ShardRecovery.Decide(offers, Length).ShouldNotBeNull();
        plan.Root.ShouldBe(0);
        plan.Receivers.ShouldBeEmpty();
        plan.Pieces.ShouldBeEmpty();
    }

    [Fact]
    public void Ranks_that_hold_nothing_have_nothing_to_go_on_from()
    {
        ShardRecovery.Decide([ShardOffer.None, ShardOffer.None], Length).ShouldBeNull();
        ShardRecovery.Furthest([ShardOffer.None]).ShouldBeNull();
    }

    private static ShardOffer OfStep(int world, int rank, Progress progress) =>
        new(progress == Progress.Applied ? After : Before, [Shard.Of(world, rank)], progress == Progress.Gathering ? After : null);

    // Unit by unit, which the decision is not: no range begins within one.
    private static bool[] UnitsOf(IEnumerable<Shard> shards)
    {
        var held = new bool[Units];
        foreach (var range in shards.SelectMany(shard => shard.Ranges(Length)))
        {
            Array.Fill(held, true, (int)range.From / Unit, (int)range.Length / Unit);
        }

        return held;
    }

    private static bool IsComplete(List<ShardOffer> offers, StatePlace place)
    {
        var held = offers.Select(offer => UnitsOf(offer.HeldAt(place))).ToList();
        return Enumerable.Range(0, Units).All(i => held.Exists(units => units[i]));
    }

    /// <summary>Carries a plan out, unit by unit.</summary>
    private static void ShouldWork(ShardPlan plan, List<ShardOffer> offers)
    {
        offers[plan.Root].Applied.ShouldBe(plan.Place);
        plan.Receivers.ShouldBe(Enumerable.Range(0, offers.Count).Where(rank => offers[rank].Applied != plan.Place));
        var after = offers.Select(offer => UnitsOf(offer.HeldAt(plan.Place))).ToList();
        foreach (var piece in plan.Pieces)
        {
            piece.Receivers.IsEmpty.ShouldBeFalse();
            (piece.Range.From % Unit, piece.Range.Length % Unit).ShouldBe((0, 0));
            offers[piece.Source].HeldAt(plan.Place).Any(shard => shard.Holds(Length, piece.Range)).ShouldBeTrue("one of the source's shards has all of the piece");
            foreach (var receiver in piece.Receivers)
            {
                Shard.Of(offers.Count, receiver).Holds(Length, piece.Range).ShouldBeTrue("nobody receives what it does not need");
                var units = after[receiver].AsSpan((int)piece.Range.From / Unit, (int)piece.Range.Length / Unit);
                units.Contains(true).ShouldBeFalse("nobody receives what it has");
                units.Fill(true);
            }
        }

        for (var rank = 0; rank < offers.Count; rank++)
        {
            var wanted = UnitsOf([Shard.Of(offers.Count, rank)]);
            Enumerable.Range(0, Units).All(i => !wanted[i] || after[rank][i]).ShouldBeTrue($"rank {rank} has what it needs");
        }
    }
}

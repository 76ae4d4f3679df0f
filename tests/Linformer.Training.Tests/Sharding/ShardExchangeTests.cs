using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using Linformer.Training.Tests.ProcessGroups;
using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests.Sharding;

/// <summary>Exchanges that break, at any of their collectives and for any of the ranks.</summary>
[Collection(nameof(Alone))]
public class ShardExchangeTests
{
    private static readonly TrainingOptions Sharded = TrainerFixture.Default with { GlobalBatch = 12, Steps = 20, ShardOptimizer = true, BucketElements = 200 };

    [Fact]
    public void What_ranks_hold_arrives_as_it_was_told() => Ranks.Run(3, group =>
    {
        ShardOffer[] offers =
        [
            new(new StatePlace(3, 17), [Shard.Of(4, 3), Shard.Of(5, 0)], null),
            ShardOffer.None,
            new(new StatePlace(2, 16), [Shard.Whole], new StatePlace(3, 17)),
        ];
        var gathered = ShardExchange.Gather(group, offers[group.Rank]);
        gathered.Count.ShouldBe(3);
        for (var rank = 0; rank < 3; rank++)
        {
            (gathered[rank].Applied, gathered[rank].Unfinished).ShouldBe((offers[rank].Applied, offers[rank].Unfinished));
            gathered[rank].Held.ShouldBe(offers[rank].Held);
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_that_breaks_anywhere_and_again_loses_nothing(bool isDeaf)
    {
        using var undisturbed = new UndisturbedRuns(Sharded);
        // Of four ranks one is lost; the others exchange, and one of them is cut off on the way, in this exchange and the next.
        var broken = 0;
        for (var at = 1; ; at++)
        {
            using var ranks = new ShardedRanks(Sharded);
            int[] members = [ranks.Add(), ranks.Add(), ranks.Add(), ranks.Add()];
            ranks.Run(members, untilStep: 3);
            using var meeting = new Barrier(3);
            var errors = ranks.Try([2, 0, 3], untilStep: 3, (rank, group) => Cut(group, at, rank == at % 3, isDeaf ? meeting : null));
            if (errors.All(error => error is null))
            {
                break;
            }

            broken++;
            // At the last barrier of all others have got through.
            errors.ShouldAllBe(error => error == null || error is ProcessGroupException, string.Join('\n', errors.Select(error => error?.ToString())));
            ranks.Try([3, 2, 0], untilStep: 3, (rank, group) => Cut(group, at + 3, rank == (at + 1) % 3, null));
            ranks.Run([0, 3, 2], untilStep: 5);

            var whole = undisturbed.Of(ranks.Trainers[0].State.World);
            ranks.Trainers[0].State.World.Segments.ShouldBe([new WorldSegment(1, 4), new WorldSegment(4, 3)]);
            ranks.ShouldBe(whole, [0, 2, 3], $"broken at collective {at}");
        }

        // The offers, pieces of some chunks with their hashes, and the barriers.
        broken.ShouldBeGreaterThan(8);
    }

    [Fact]
    public void What_arrives_damaged_changes_nothing()
    {
        using var undisturbed = new UndisturbedRuns(Sharded);
        var refused = 0;
        for (var at = 1; at <= 12; at++)
        {
            using var ranks = new ShardedRanks(Sharded);
            int[] members = [ranks.Add(), ranks.Add(), ranks.Add()];
            ranks.Run(members, untilStep: 3);
            var newcomer = ranks.Add();
            var errors = ranks.Try([0, newcomer, 2], untilStep: 3, (rank, group) => rank == 1 ? new DisturbedGroup(group) { DamagedAt = at } : group);
            // The first to learn of it ends its connections, maybe before another has heard as much.
            if (errors.OfType<StateExchangeException>().Any(error => error.Message.Contains("is not the one that rank", StringComparison.Ordinal)))
            {
                errors.ShouldAllBe(error => error is StateExchangeException || error is ProcessGroupException);
                refused++;
            }

            ranks.Run([0, newcomer, 2], untilStep: 4);

            var whole = undisturbed.Of(ranks.Trainers[0].State.World);
            ranks.ShouldBe(whole, [0, newcomer, 2], $"damaged at broadcast {at}");
        }

        refused.ShouldBeGreaterThan(3);
    }

    private static CutOffGroup Cut(IProcessGroup group, int at, bool isHit, Barrier? meeting) => new(
        group, at, isHit ? meeting is null ? CutOff.KilledBefore : CutOff.Deaf : CutOff.None, meeting);
}

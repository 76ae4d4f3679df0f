using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Tests.Storage;

/// <summary>How a range is cut into what is read, for any history of generations.</summary>
public sealed class MetricPlanTests
{
    private static readonly long[] Sizes = [32, 256, 2048];

    [Fact]
    public void Every_step_that_counts_is_read_once_and_no_other()
    {
        Some.ForAllSeeds(random =>
        {
            var (valid, newest) = History(random);
            var from = random.NextInt64(0, newest + 1);
            var to = random.NextInt64(from, newest + 1);
            var plan = MetricPlan.Of(valid, Sizes, from, to, newest, random.Next(1, 2000));

            var expected = valid.SelectMany(steps => Range(Math.Max(steps.From, from), Math.Min(steps.Before, to + 1)).Select(step => (steps.Generation, step)));
            // What comes after the newest step is not there.
            var read = plan.Pieces.SelectMany(piece => Range(piece.From, Math.Min(piece.Before, newest + 1)).Select(step => (piece.Generation, step)));
            read.ShouldBe(expected);
        });
    }

    [Fact]
    public void What_was_brought_together_is_read_only_whole_and_into_one_bucket()
    {
        Some.ForAllSeeds(random =>
        {
            var (valid, newest) = History(random);
            var from = random.NextInt64(0, newest + 1);
            var to = random.Next(3) == 0 ? newest : random.NextInt64(from, newest + 1);
            var points = random.Next(1, 2000);
            var plan = MetricPlan.Of(valid, Sizes, from, to, newest, points);

            plan.BucketOf(to).ShouldBeLessThan(points);
            plan.BucketOf(from).ShouldBe(0);
            var least = (to - from + points) / points;
            plan.StepsPerBucket.ShouldBeInRange(least, 2 * least);
            foreach (var piece in plan.Pieces.Where(piece => piece.Size > 1))
            {
                Sizes.ShouldContain(piece.Size);
                (piece.From % piece.Size, piece.Before % piece.Size).ShouldBe((0, 0));
                ((piece.From - plan.Origin) % piece.Size, plan.StepsPerBucket % piece.Size).ShouldBe((0, 0));
            }
        });
    }

    [Fact]
    public void Few_rows_are_read_for_any_range_of_a_long_job()
    {
        const long Newest = 1_000_000;
        ValidSteps[] valid = [new(0, 1, 1, 400_003), new(0, 2, 400_003, long.MaxValue)];
        Some.ForAllSeeds(random =>
        {
            var from = random.NextInt64(1, Newest);
            var to = random.NextInt64(from, Newest + 1);
            var plan = MetricPlan.Of(valid, Sizes, from, to, Newest, 1000);
            // Few steps are read one by one, and eight for each point otherwise; and those of ragged edges.
            plan.Pieces.Sum(piece => (piece.Before - piece.From) / piece.Size).ShouldBeLessThan(16_000 + 400);
            plan.Pieces.Length.ShouldBeLessThan(20);
        });
    }

    [Fact]
    public void Where_there_are_no_more_steps_than_points_each_is_a_bucket()
    {
        var plan = MetricPlan.Of([new(0, 1, 1, long.MaxValue)], Sizes, 17, 1016, 5000, 1000);
        (plan.Origin, plan.StepsPerBucket).ShouldBe((17, 1));
        plan.Pieces.ShouldBe([new MetricPiece(0, 1, 1, 17, 1017)]);
    }

    private static (IReadOnlyList<ValidSteps> Valid, long Newest) History(Random random)
    {
        var generations = Enumerable.Range(1, random.Next(1, 8)).Select(generation => new RecordedGeneration(generation / 3, generation, random.Next(1, 40_000))).ToList();
        var valid = ValidSteps.Of(generations);
        return (valid, valid[^1].From + random.Next(0, 20_000));
    }

    private static IEnumerable<long> Range(long from, long before)
    {
        for (var step = from; step < before; step++)
            yield return step;
    }
}

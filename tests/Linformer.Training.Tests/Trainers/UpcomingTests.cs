namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public class UpcomingTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 3)]
    [InlineData(1, 3)]
    [InlineData(2, 3)]
    public void What_is_announced_is_what_the_rank_asks_for_next(int rank, int ranks)
    {
        using var fixture = new TrainerFixture(group: new FakeGroup(rank, ranks));
        var (announced, asked) = (new List<(long, int)>(), new List<long>());
        fixture.Task.OnTraining = asked.Add;
        fixture.Task.OnUpcoming = (first, count) => announced.Add((first, count));
        for (var step = 0; step < 3; step++)
        {
            fixture.Trainer.TrainStep();
        }

        announced.Count.ShouldBe(asked.Count);
        announced.SkipLast(1).ShouldBe(asked.Skip(1).Select(first => (first, fixture.Options.MicroBatch)));
    }
}

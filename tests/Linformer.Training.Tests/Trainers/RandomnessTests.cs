using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public class RandomnessTests
{
    [Fact]
    public void What_a_micro_batch_draws_depends_on_seed_step_and_micro_batch_alone()
    {
        var expected = Draws(seed: 1, rank: 0, worldSize: 1, disturbed: false);
        expected.Keys.Order().ShouldBe(Enumerable.Range(0, 12).Select(i => i * 2L));
        expected.Values.Distinct().Count().ShouldBe(12, "every micro-batch of every step draws something else");
        Draws(seed: 1, rank: 0, worldSize: 1, disturbed: true).ShouldBe(expected, ignoreOrder: true);

        var shared = Enumerable.Range(0, 3).SelectMany(rank => Draws(seed: 1, rank, worldSize: 3, disturbed: true));
        shared.ShouldBe(expected, ignoreOrder: true);
        Draws(seed: 2, rank: 0, worldSize: 1, disturbed: false).Values.Intersect(expected.Values).ShouldBeEmpty();
    }

    /// <summary>What each micro-batch of three steps draws, by its first sample.</summary>
    private static Dictionary<long, float> Draws(long seed, int rank, int worldSize, bool disturbed)
    {
        using var group = new FakeGroup(rank, worldSize);
        using var fixture = new TrainerFixture(TrainerFixture.Default with { Seed = seed }, group);
        var draws = new Dictionary<long, float>();
        fixture.Task.Rows = _ => 1;
        fixture.Task.OnTraining = sample => draws.Add(sample, Draw(count: disturbed ? 9 : 1));
        for (var step = 0; step < 3; step++)
        {
            if (disturbed)
            {
                Draw(count: 100);
            }

            fixture.Trainer.TrainStep();
        }

        return draws;
    }

    private static float Draw(int count)
    {
        using var drawn = rand(count);
        return drawn.data<float>()[0];
    }
}

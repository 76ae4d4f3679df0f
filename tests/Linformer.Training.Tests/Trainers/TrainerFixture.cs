using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.Trainers;

/// <summary>A trainer of one rank on a <see cref="LinearTask"/>.</summary>
internal sealed class TrainerFixture : IDisposable
{
    public TrainerFixture(TrainingOptions? options = null, IProcessGroup? group = null)
    {
        Options = options ?? Default;
        Task = new LinearTask();
        Trainer = new Trainer(Task, Options);
        Trainer.Join(group ?? new SingleProcessGroup());
    }

    public static TrainingOptions Default { get; } = new()
    {
        Steps = 1000,
        GlobalBatch = 8,
        MicroBatch = 2,
        LearningRate = new LearningRateSchedule(ScheduleShape.Constant, Peak: 0.01, WarmupSteps: 0, Steps: 1000),
        ClipNorm = 0,
        // Without it, the first moment is the gradient of the last update.
        Optimizer = new AdamWOptions(Beta1: 0),
    };

    public TrainingOptions Options { get; }

    public LinearTask Task { get; }

    public Trainer Trainer { get; }

    /// <summary>The gradients of the last update, divided and clipped: those of the weight, then that of the bias.</summary>
    public double[] Gradients => [.. OfSlice("weight"), .. OfSlice("bias")];

    /// <summary>The parameters: the weight, then the bias.</summary>
    public double[] Values =>
        [.. Bits.FloatsOf(Task.Linear.Weight).Select(g => (double)g), Bits.FloatsOf(Task.Linear.Bias)[0]];

    /// <summary>The closed form of the next step's loss and gradient.</summary>
    public (double Loss, double[] Gradients) ExpectedOfNextStep()
    {
        var (loss, weight, bias, _) = Task.Expected(Trainer.Step * Options.GlobalBatch, Options.GlobalBatch);
        return (loss, [.. weight, bias]);
    }

    private IEnumerable<double> OfSlice(string name)
    {
        using var view = Trainer.Parameters.Slices.Single(slice => slice.Name == name).ViewOf(Trainer.Optimizer.FirstMoment);
        return Bits.FloatsOf(view).Select(g => (double)g);
    }

    public void Dispose()
    {
        Trainer.Dispose();
        Task.Dispose();
    }

    public static double Norm(double[] gradients) => Math.Sqrt(gradients.Sum(g => g * g));

    public static void ShouldBeClose(double[] actual, double[] expected, double tolerance, string about = "")
    {
        actual.Length.ShouldBe(expected.Length);
        for (var i = 0; i < actual.Length; i++)
        {
            actual[i].ShouldBe(expected[i], tolerance * expected.Max(Math.Abs), $"{about}[{i}]");
        }
    }
}

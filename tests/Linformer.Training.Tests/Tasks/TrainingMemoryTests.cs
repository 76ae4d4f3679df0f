using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.Trainers;
using TorchSharp;

namespace Linformer.Training.Tests.Tasks;

[Collection(nameof(Alone))]
public class TrainingMemoryTests
{
    private const int Steps = 500;

    [Fact]
    public void Training_keeps_neither_memory_nor_tensors()
    {
        using var corpus = new SmallCorpus();
        using var task = corpus.Task(corpus.Model(dropout: 0.1));
        using var group = new SingleProcessGroup();
        using var trainer = new Trainer(task, TrainerFixture.Default with { ClipNorm = 1 });
        trainer.Join(group);
        Train(trainer, Steps / 2);
        var (bytes, tensors) = Held();
        Train(trainer, Steps);
        var (bytesAfter, tensorsAfter) = Held();

        tensorsAfter.ShouldBe(tensors);
        // The compiler takes some megabytes at any time; the logits alone of all steps are three times as much as is allowed.
        bytesAfter.ShouldBeLessThan(bytes + (8 << 20));
    }

    private static void Train(Trainer trainer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            trainer.TrainStep();
            if (step % 50 == 0)
            {
                trainer.Evaluate();
                using var copy = TrainerCheckpoint.Take(trainer, globalBatch: 8);
            }
        }
    }

    private static (long Bytes, long Tensors) Held()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return (Environment.WorkingSet, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }
}

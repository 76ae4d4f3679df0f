using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Linformer.Worker.TestPlugin;

#pragma warning disable CS1591 // Nobody but tests uses it.

/// <summary>As it should be.</summary>
public sealed class Good : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => new LineTask(new LineModule(), context);
}

/// <summary>Writes a folder of its own.</summary>
public sealed class OwnFolder : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => new LineTask(new LineModule(), context);

    public void Save(ITrainingTask task, PluginContext context, string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "inner"));
        File.WriteAllText(Path.Combine(folder, "inner", "line.txt"), $"{context.SettingsAs<Settings>().Title}");
    }

    public sealed record Settings(string Title);
}

public sealed class ThrowsWhenMade : ITrainingTaskFactory
{
    public ThrowsWhenMade() => throw new InvalidOperationException("no constructor today");

    public ITrainingTask Create(PluginContext context) => new LineTask(new LineModule(), context);
}

public sealed class ThrowsInCreate : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => throw new FileNotFoundException("pictures.bin is not there", "pictures.bin");
}

public sealed class GivesNothing : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => null!;
}

public sealed class NeedsArgument(int number) : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => throw new NotSupportedException($"{number}");
}

public sealed class NoFactory;

/// <summary>Steps in which something is wrong; which, <c>settings.fault</c> says.</summary>
public sealed class Faulty : ITrainingTaskFactory
{
    public ITrainingTask Create(PluginContext context) => context.Settings.GetProperty("fault").GetString() switch
    {
        "double" => new LineTask(new LineModule(ScalarType.Float64), context),
        "frozen" => new LineTask(new LineModule(frozen: true), context),
        "unused" => new LineTask(new LineModule { WithoutOffset = true }, context),
        "no-parameters" => new Empty(context),
        "no-model" or "throwing-model" or "throwing-samples" or "held-out-below-0" => new FaultyMembers(new LineModule(), context),
        _ => new FaultyTask(new LineModule(), context),
    };

    private sealed class FaultyMembers(LineModule module, PluginContext context) : LineTask(module, context)
    {
        private readonly string? _fault = context.Settings.GetProperty("fault").GetString();

        public override nn.Module Model => _fault switch
        {
            "no-model" => null!,
            "throwing-model" => throw new InvalidOperationException("no model today"),
            _ => base.Model,
        };

        public override long TrainingSequences => _fault is "throwing-samples" ? throw new InvalidOperationException("nothing was counted") : base.TrainingSequences;

        public override long HeldOutSequences => _fault is "held-out-below-0" ? -5 : base.HeldOutSequences;
    }

    private sealed class FaultyTask(LineModule module, PluginContext context) : LineTask(module, context)
    {
        public override MicroBatchLoss TrainingLoss(long firstSample, int count)
        {
            var sum = SumOfSquares(firstSample, count);
            switch (Context.Settings.GetProperty("fault").GetString())
            {
                case "later" when firstSample >= 24:
                    throw new InvalidOperationException("the data end here");
                case "no-predictions":
                    return new MicroBatchLoss(sum, 0, count);
                case "detached":
                    return new MicroBatchLoss(sum.detach(), count, count);
                case "vector":
                    return new MicroBatchLoss(sum.view(1).expand(3), count, count);
                case "negative":
                    return new MicroBatchLoss(sum, -1, count);
                case "buffer":
                    using (no_grad())
                    {
                        Line.Seen.add_(1);
                    }

                    break;
            }

            return new MicroBatchLoss(sum, count, count);
        }
    }

    private sealed class Empty(PluginContext context) : ITrainingTask
    {
        private readonly nn.Module _model = new Nothing();

        public nn.Module Model => _model;

        public long TrainingSequences => context.Seed;

        public long HeldOutSequences => 0;

        public MicroBatchLoss TrainingLoss(long firstSample, int count) => default;

        public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => default;

        public void Dispose() => _model.Dispose();

        private sealed class Nothing() : nn.Module<Tensor, Tensor>(nameof(Nothing))
        {
            public override Tensor forward(Tensor input) => input;
        }
    }
}

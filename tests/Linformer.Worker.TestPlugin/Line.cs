using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Linformer.Worker.TestPlugin;

#pragma warning disable CS1591 // Nobody but tests uses it.

/// <summary>A line through points of 3x − 1: slope and offset are learnt by their names.</summary>
public sealed class LineModule : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Parameter _slope;
    private readonly TorchSharp.Modules.Parameter _offset;

    public LineModule(ScalarType type = ScalarType.Float32, bool frozen = false)
        : base(nameof(LineModule))
    {
        _slope = new TorchSharp.Modules.Parameter(randn([1], dtype: type));
        _offset = new TorchSharp.Modules.Parameter(zeros([1], dtype: type), requires_grad: !frozen);
        register_parameter("slope", _slope);
        register_parameter("offset", _offset);
        Seen = zeros([1]);
        register_buffer("seen", Seen);
    }

    public Tensor Seen { get; }

    public bool WithoutOffset { get; init; }

    public override Tensor forward(Tensor input) => WithoutOffset ? input * _slope : (input * _slope) + _offset;
}

public class LineTask(LineModule module, PluginContext context) : ITrainingTask
{
    public virtual nn.Module Model => module;

    public virtual long TrainingSequences => 100;

    public virtual long HeldOutSequences => 10;

    public virtual MicroBatchLoss TrainingLoss(long firstSample, int count) => new(SumOfSquares(firstSample, count), count, count);

    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => new(SumOfSquares(firstSequence, count), count, count);

    public void Dispose()
    {
        module.Dispose();
        GC.SuppressFinalize(this);
    }

    protected PluginContext Context => context;

    protected LineModule Line => module;

    protected Tensor SumOfSquares(long first, int count)
    {
        var x = tensor([.. Enumerable.Range(0, count).Select(i => (float)((first + i) % TrainingSequences) / TrainingSequences)]);
        var error = module.call(x) - ((3 * x) - 1);
        return (error * error).sum();
    }
}

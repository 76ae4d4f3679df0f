using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

/// <summary>
/// A stack of dense layers, each an autograd function of its own that adds to the gradients of its parameters and tells that they are
/// complete. Told of nothing, it is the same function with the same bits.
/// </summary>
internal sealed class LayeredTask : ITrainingTask
{
    public const int Width = 6;
    public const int Layers = 4;

    private readonly Stack _model = new();
    private Action<IReadOnlyList<Tensor>> _ready = _ => { };

    /// <summary>What backward tells when it has completed a layer; the layer's own parameters by default.</summary>
    public Func<int, IReadOnlyList<Tensor>> Told { get; set; }

    /// <summary>Called in backward when a layer is complete, before it is told.</summary>
    public Action<int> OnBackward { get; set; } = _ => { };

    /// <summary>Whether a micro-batch that begins with a sample has something to predict.</summary>
    public Func<long, bool> Predicts { get; set; } = _ => true;

    /// <summary>Called for every micro-batch, with its first sample.</summary>
    public Action<long> OnTraining { get; set; } = _ => { };

    public LayeredTask() => Told = OfLayer;

    public nn.Module Model => _model;

    public long TrainingSequences => 100;

    public long HeldOutSequences => 0;

    public IReadOnlyList<IReadOnlyList<string>> GradientOrder { get; set; } =
        [.. Enumerable.Range(0, Layers).Reverse().Select(layer => new[] { $"weight{layer}", $"bias{layer}" })];

    public IReadOnlyList<Tensor> OfLayer(int layer) => [_model.Weights[layer], _model.Biases[layer]];

    public void OnGradientsReady(Action<IReadOnlyList<Tensor>> ready) => _ready = ready;

    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        OnTraining(firstSample);
        if (!Predicts(firstSample))
        {
            return new MicroBatchLoss(null, 0, count);
        }

        var inputs = Enumerable.Range(0, count * Width).Select(i => (float)Math.Sin(((firstSample * Width) + i) * 1.37)).ToArray();
        // In torch's own memory: TorchSharp leaves an array where it is, and the rounding of MKL's products depends on the alignment.
        var x = tensor(inputs, [count, Width]).clone();
        var y = x.sum(1, keepdim: true).sin();
        for (var layer = 0; layer < Layers; layer++)
        {
            x = DenseFunction.apply(x, _model.Weights[layer], _model.Biases[layer], (this, layer)).tanh();
        }

        var error = x - y;
        return new MicroBatchLoss((error * error).sum(), count, count);
    }

    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => throw new NotSupportedException();

    public void Dispose() => _model.Dispose();

    private void Complete(int layer)
    {
        OnBackward(layer);
        _ready(Told(layer));
    }

    private sealed class Stack : nn.Module
    {
        public Stack()
            : base(nameof(Stack))
        {
            for (var layer = 0; layer < Layers; layer++)
            {
                var values = Enumerable.Range(0, Width * Width).Select(i => (float)Math.Cos((i * 0.7) + layer) * 0.4f).ToArray();
                Weights[layer] = new Parameter(tensor(values, [Width, Width]));
                Biases[layer] = new Parameter(zeros(Width));
                register_parameter($"weight{layer}", Weights[layer]);
                register_parameter($"bias{layer}", Biases[layer]);
            }
        }

        public Parameter[] Weights { get; } = new Parameter[Layers];

        public Parameter[] Biases { get; } = new Parameter[Layers];
    }

    private sealed class DenseFunction : autograd.SingleTensorFunction<DenseFunction>
    {
        public override string Name => "test_dense";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, weight, bias) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
            ctx.save_for_backward([x, weight, bias]);
            ctx.save_data("layer", vars[3]);
            return x.matmul(weight.t()) + bias;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var (task, layer) = ((LayeredTask, int))ctx.get_data("layer");
            var x = ctx.get_saved_variables()[0];
            var (weight, bias) = (task._model.Weights[layer], task._model.Biases[layer]);
            weight.grad!.add_(grad_output.t().matmul(x));
            bias.grad!.add_(grad_output.sum([0]));
            task.Complete(layer);
            return [grad_output.matmul(weight), null!, null!, null!];
        }
    }
}

using System.Runtime.CompilerServices;
using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>The head on the predicted positions only, with its loss: logits never exist as a whole in float32.</summary>
internal sealed unsafe class FusedHead : IDisposable
{
    // In the order of lf_head_parameters.
    private static readonly string[] Names =
    [
        "encoder.norm.weight", "encoder.norm.bias", "head_dense.weight", "head_dense.bias", "head_norm.weight", "head_norm.bias",
        "encoder.token.weight", "head_bias",
    ];

    private const int MaxShapes = 4;

    private readonly FusedContext _context;
    private readonly Parameter[] _complete;
    private readonly List<(long Rows, HeadHandle Kernel)> _kernels = [];

    public FusedHead(FusedContext context)
    {
        _context = context;
        // The token embeddings go on to gather gradients, and so does the norm where it follows them.
        var first = NormFirst ? 0 : 2;
        _complete = [.. Names[first..6].Append("head_bias").Select(name => context.Parameters[name])];
    }

    private bool NormFirst => _context.Config.Normalization == Normalization.Pre;

    /// <summary>The sum of the cross-entropies.</summary>
    /// <param name="hidden">What the last layer gave, [batch, length, hidden], float32.</param>
    /// <param name="positions">Rows of the flattened batch, [predicted], int64.</param>
    /// <param name="targets">Token ids, [predicted], int64.</param>
    /// <returns>A scalar, in nats.</returns>
    public Tensor Loss(Tensor hidden, Tensor positions, Tensor targets)
    {
        if (positions.dim() != 1 || !positions.shape.SequenceEqual(targets.shape) || positions.shape[0] == 0)
        {
            throw new ArgumentException($"positions and targets have shapes [{string.Join(", ", positions.shape)}] and [{string.Join(", ", targets.shape)}]; both must be [predicted], with at least one.", nameof(positions));
        }

        var call = new Call(this, Kernel(hidden.shape[0] * hidden.shape[1]), positions.shape[0]);
        return is_grad_enabled()
            ? Function.apply(hidden, _context.Parameters["head_bias"], positions, targets, call)
            : call.Forward(hidden, positions, targets, saved: null);
    }

    public void Dispose() => _kernels.ForEach(entry => entry.Kernel.Dispose());

    private HeadHandle Kernel(long rows)
    {
        var found = _kernels.FindIndex(entry => entry.Rows == rows);
        if (found >= 0)
        {
            return _kernels[found].Kernel;
        }

        if (_kernels.Count == MaxShapes)
        {
            _kernels.RemoveAt(0); // a graph that still needs it keeps it
        }

        var shape = new HeadShape
        {
            Rows = rows,
            Hidden = _context.Config.Hidden,
            Vocabulary = _context.Config.VocabularySize,
            NormFirst = NormFirst ? 1 : 0,
            BFloat16 = _context.Precision == Precision.BFloat16 ? 1 : 0,
            Epsilon = (float)_context.Config.NormEpsilon,
        };
        KernelException.Check(KernelMethods.HeadCreate(in shape, out var kernel, out var error), error);
        _kernels.Add((rows, kernel));
        return kernel;
    }

    private static HeadPointers Pointers(Func<string, nint> address)
    {
        var pointers = default(HeadPointers);
        for (var i = 0; i < Names.Length; i++)
        {
            pointers[i] = address(Names[i]);
        }

        return pointers;
    }

    private sealed class Call(FusedHead head, HeadHandle kernel, long predicted)
    {
        private SavedPool.Saved? _saved;

        public FusedContext Context => head._context;

        public Tensor ForwardForBackward(Tensor hidden, Tensor positions, Tensor targets)
        {
            _saved = Context.Pool.Rent(KernelMethods.HeadSavedBytes(kernel, predicted));
            return Forward(hidden, positions, targets, _saved.Start);
        }

        public Tensor Forward(Tensor hidden, Tensor positions, Tensor targets, void* saved)
        {
            var values = Pointers(Context.Parameters.Value);
            var halves = Pointers(Context.Parameters.Half);
            KernelException.Check(
                KernelMethods.HeadForward(
                    kernel, in values, HalvesOrNull(ref halves), Memory.Of(hidden), Memory.Of(positions), Memory.Of(targets), predicted, out var loss, saved, out var error),
                error);
            return tensor((float)loss);
        }

        public void Backward(Tensor hidden, Tensor positions, Tensor targets, float scale, Tensor gradient)
        {
            var values = Pointers(Context.Parameters.Value);
            var halves = Pointers(Context.Parameters.Half);
            var gradients = Pointers(Context.Parameters.Gradient);
            KernelException.Check(
                KernelMethods.HeadBackward(
                    kernel, in values, HalvesOrNull(ref halves), Memory.Of(hidden), Memory.Of(positions), Memory.Of(targets), predicted, scale, _saved!.Start, Memory.Of(gradient), in gradients, out var error),
                error);
            _saved.Dispose();
            Context.GradientsReady?.Invoke(head._complete);
        }

        // A local struct stays where it is.
        private HeadPointers* HalvesOrNull(ref HeadPointers halves) =>
            Context.Precision == Precision.BFloat16 ? (HeadPointers*)Unsafe.AsPointer(ref halves) : null;
    }

    /// <summary>The head in the graph: hidden states, one of its parameters (so that there is a node), positions, targets, the call.</summary>
    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_head";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (hidden, positions, targets, call) = ((Tensor)vars[0], (Tensor)vars[2], (Tensor)vars[3], (Call)vars[4]);
            ctx.save_for_backward([hidden, positions, targets]);
            ctx.save_data("call", call);
            return call.ForwardForBackward(hidden, positions, targets);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var call = (Call)ctx.get_data("call");
            var saved = ctx.get_saved_variables();
            var gradient = empty_like(saved[0]);
            call.Context.Backward(gradient, () => call.Backward(saved[0], saved[1], saved[2], grad_output.item<float>(), gradient));
            saved.ForEach(tensor => tensor.Dispose());
            grad_output.Dispose();
            return HandedOver.List(gradient, null, null, null, null);
        }
    }
}

using System.Runtime.CompilerServices;
using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>The encoder's layers, each one kernel forward and one backward.</summary>
internal sealed unsafe class FusedLayers : IDisposable
{
    // In the order of lf_layer_parameters.
    private static readonly string[] Names =
    [
        "attention.query.weight", "attention.query.bias", "attention.key.weight", "attention.key.bias",
        "attention.value.weight", "attention.value.bias", "attention.output.weight", "attention.output.bias",
        "attention_norm.weight", "attention_norm.bias",
        "feed_forward.input.weight", "feed_forward.input.bias", "feed_forward.output.weight", "feed_forward.output.bias",
        "feed_forward_norm.weight", "feed_forward_norm.bias",
    ];

    // Rows of texts come in lengths of many kinds. A kernel is some hundred kilobytes, and takes milliseconds to make.
    private const int MaxShapes = 96;

    private readonly FusedContext _context;
    private readonly LinformerConfig _config;
    private readonly string[][] _names;
    private readonly Parameter[][] _complete;
    private readonly ScratchHandle _scratch;
    private readonly List<(LayerShape Shape, LayerHandle Kernel)> _kernels = []; // The one used last comes last.

    public FusedLayers(FusedContext context)
    {
        _context = context;
        _config = context.Config;
        _names = Enumerable.Range(0, _config.Layers).Select(NamesOf).ToArray();
        _complete = Enumerable.Range(0, _config.Layers).Select(CompleteAfter).ToArray();
        KernelException.Check(KernelMethods.ScratchCreate(out _scratch, out var error), error);
    }

    /// <summary>Runs one layer.</summary>
    /// <param name="layer">Its number, from 0.</param>
    /// <param name="x">[batch, length, hidden], float32.</param>
    /// <param name="keep">[batch, length], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="pass">The pass that it belongs to.</param>
    /// <returns>[batch, length, hidden].</returns>
    public Tensor Forward(int layer, Tensor x, Tensor? keep, FusedPass pass)
    {
        var call = new Call(this, layer, ShapeOf(x), _context.DropoutSeed(), pass);
        return is_grad_enabled()
            ? Function.apply(x, _context.Parameters[_names[layer][0]], keep!, call)
            : call.Forward(x, keep, saved: null);
    }

    public void Dispose()
    {
        _kernels.ForEach(entry => entry.Kernel.Dispose());
        _kernels.Clear();
        _scratch.Dispose();
    }

    private string[] NamesOf(int layer)
    {
        var prefix = $"encoder.layers.{layer}.";
        var (key, value) = (prefix + "projection_key", prefix + "projection_value");
        if (_config.Sharing is ProjectionSharing.Layerwise or ProjectionSharing.KeyValue)
        {
            key = value = _config.Sharing == ProjectionSharing.Layerwise ? "encoder.projection" : prefix + "projection";
        }

        return [.. Names.Select(name => prefix + name), key, value];
    }

    // What all layers share is complete when the first has gone backward.
    private Parameter[] CompleteAfter(int layer) =>
        [.. _names[layer].Distinct(StringComparer.Ordinal).Where(name => layer == 0 || name != "encoder.projection").Select(name => _context.Parameters[name])];

    private LayerShape ShapeOf(Tensor x) => new()
    {
        Batch = x.shape[0],
        Length = x.shape[1],
        Columns = _config.SequenceLength,
        Hidden = _config.Hidden,
        Heads = _config.Heads,
        FeedForward = _config.FeedForward,
        Projected = _config.ProjectedLength,
        Sharing = _config.Sharing switch { ProjectionSharing.None => 0, ProjectionSharing.Headwise => 1, _ => 2 },
        NormFirst = _config.Normalization == Normalization.Pre ? 1 : 0,
        BFloat16 = _context.Precision == Precision.BFloat16 ? 1 : 0,
        Epsilon = (float)_config.NormEpsilon,
        Dropout = _context.Drops ? (float)_config.Dropout : 0,
    };

    // What a forward pass keeps is laid out by the shape alone, so a kernel that is made again for its backward pass will do.
    private LayerHandle Kernel(LayerShape shape)
    {
        var found = _kernels.FindLastIndex(entry => entry.Shape == shape);
        if (found == _kernels.Count - 1 && found >= 0)
        {
            return _kernels[found].Kernel;
        }

        var kernel = found >= 0 ? _kernels[found].Kernel : Made(shape);
        if (found >= 0)
        {
            _kernels.RemoveAt(found);
        }
        else if (_kernels.Count == MaxShapes)
        {
            _kernels[0].Kernel.Dispose();
            _kernels.RemoveAt(0);
        }

        _kernels.Add((shape, kernel));
        return kernel;
    }

    private LayerHandle Made(LayerShape shape)
    {
        KernelException.Check(KernelMethods.LayerCreate(in shape, _scratch, out var kernel, out var error), error);
        return kernel;
    }

    private LayerPointers Pointers(int layer, Func<string, nint> address)
    {
        var pointers = default(LayerPointers);
        for (var i = 0; i < _names[layer].Length; i++)
        {
            pointers[i] = address(_names[layer][i]);
        }

        return pointers;
    }

    private sealed class Call(FusedLayers layers, int layer, LayerShape shape, ulong seed, FusedPass pass)
    {
        private SavedPool.Saved? _saved;

        public FusedContext Context => layers._context;

        public Tensor ForwardForBackward(Tensor x, Tensor? keep)
        {
            _saved = Context.Pool.Rent(KernelMethods.LayerSavedBytes(layers.Kernel(shape)));
            return Forward(x, keep, _saved.Start);
        }

        public Tensor Forward(Tensor x, Tensor? keep, void* saved)
        {
            var y = empty_like(x);
            var values = layers.Pointers(layer, Context.Parameters.Value);
            var halves = layers.Pointers(layer, Context.Parameters.Half);
            KernelException.Check(
                KernelMethods.LayerForward(
                    layers.Kernel(shape), in values, HalvesOrNull(ref halves), Memory.Of(x), keep is null ? 0 : Memory.Of(keep), seed, Memory.Of(y), saved, out var error),
                error);
            return y;
        }

        public void Backward(Tensor x, Tensor? keep, Tensor dy, Tensor dx)
        {
            var values = layers.Pointers(layer, Context.Parameters.Value);
            var halves = layers.Pointers(layer, Context.Parameters.Half);
            var gradients = layers.Pointers(layer, Context.Parameters.Gradient);
            KernelException.Check(
                KernelMethods.LayerBackward(
                    layers.Kernel(shape), in values, HalvesOrNull(ref halves), Memory.Of(x), keep is null ? 0 : Memory.Of(keep), seed, _saved!.Start, Memory.Of(dy), Memory.Of(dx), in gradients, out var error),
                error);
            _saved.Dispose();
            if (pass.Completes(layer))
            {
                Context.GradientsReady?.Invoke(layers._complete[layer]);
            }
        }

        // A local struct stays where it is.
        private LayerPointers* HalvesOrNull(ref LayerPointers halves) =>
            Context.Precision == Precision.BFloat16 ? (LayerPointers*)Unsafe.AsPointer(ref halves) : null;
    }

    /// <summary>One layer in the graph: x, one of its parameters (so that there is a node whatever x is), keep, the call.</summary>
    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_layer";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, keep, call) = ((Tensor)vars[0], (Tensor?)vars[2], (Call)vars[3]);
            ctx.save_for_backward(keep is null ? [x] : [x, keep]);
            ctx.save_data("call", call);
            return call.ForwardForBackward(x, keep);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var call = (Call)ctx.get_data("call");
            var saved = ctx.get_saved_variables();
            var gradient = empty_like(saved[0]);
            call.Context.Backward(gradient, () =>
            {
                using var dy = grad_output.contiguous();
                call.Backward(saved[0], saved.Count > 1 ? saved[1] : null, dy, gradient);
            });
            saved.ForEach(tensor => tensor.Dispose());
            grad_output.Dispose();
            return HandedOver.List(gradient, null, null, null);
        }
    }
}

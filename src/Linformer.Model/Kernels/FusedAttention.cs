using Linformer.Model.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>
/// Runs an <see cref="Attention"/> with linear attention by a kernel that takes a few hundred rows at a time. The same function,
/// to rounding, several times as fast on a CPU; and beside its input, its output and their gradients it keeps two arrays of the
/// input's size for its backward pass (half of that in bfloat16), so that sequences of a million tokens are no trouble.
/// </summary>
/// <remarks>
/// <para>For one thread. Backward adds to the gradients of the parameters in place, whatever graph there is, and computes the attention weights again.</para>
/// <para>Between a forward pass and its backward pass the parameters must stay as they are.</para>
/// </remarks>
public sealed unsafe class FusedAttention : IDisposable
{
    // In the order of lf_attention_parameters.
    private static readonly string[] Names =
        ["query.weight", "query.bias", "key.weight", "key.bias", "value.weight", "value.bias", "output.weight", "output.bias"];

    private const int MaxShapes = 4;

    private readonly nn.Module _attention;
    private readonly LinformerConfig _config;
    private readonly Precision _precision;
    private readonly Parameter[] _parameters;
    private readonly SavedPool _pool = new();
    private readonly BackwardFailure _failure = new();
    private readonly List<(long Batch, long Length, bool Drops, AttentionHandle Kernel)> _kernels = [];

    /// <summary>Takes a layer, which stays the caller's.</summary>
    /// <param name="attention">The layer.</param>
    /// <param name="projection">Its E and F, as it was given them.</param>
    /// <param name="config">What it was made from.</param>
    /// <param name="precision">In what products are computed; input, output and gradients are float32.</param>
    /// <exception cref="NotSupportedException">The layer cannot be run so; see <see cref="WhyNot"/>.</exception>
    public FusedAttention(Attention attention, MatrixProjection projection, LinformerConfig config, Precision precision)
    {
        if (WhyNot(attention, projection, config, precision) is { } reason)
        {
            throw new NotSupportedException(reason);
        }

        (_attention, _config, _precision) = (attention, config, precision);
        var named = attention.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        _parameters = [.. Names.Select(name => named[name]), projection.Key, projection.Value];
    }

    /// <summary>Why a layer cannot be run by the kernel; null if it can.</summary>
    /// <param name="attention">The layer.</param>
    /// <param name="projection">Its E and F.</param>
    /// <param name="config">What it was made from.</param>
    /// <param name="precision">In what products are to be computed.</param>
    public static string? WhyNot(Attention attention, MatrixProjection projection, LinformerConfig config, Precision precision)
    {
        if (!KernelLibrary.IsAvailable)
        {
            return "The library linformer_kernels cannot be loaded.";
        }

        if (precision == Precision.BFloat16 && !KernelLibrary.HasBFloat16)
        {
            return "This processor does not multiply bfloat16 in hardware.";
        }

        if (config.Attention != AttentionKind.Linear)
        {
            return "The kernel has linear attention only.";
        }

        if (projection.HasBias || config.ProjectionDropout > 0 || config.Checkpointing == Checkpointing.Head)
        {
            return "The kernel has projections without biases and dropout, and computes the heads of a layer together.";
        }

        var named = attention.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        var columns = projection.Key.shape[^1];
        long[] matrix = [config.ProjectedLength, columns];
        long[] byHead = [config.Heads, config.ProjectedLength, columns];
        List<(string Name, Parameter? Parameter, long[] Shape)> wanted =
        [
            .. Names.Select(name => (name, named.GetValueOrDefault(name), Shape(name))),
            ("E", projection.Key, projection.Key.dim() == 3 ? byHead : matrix),
            ("F", projection.Value, projection.Key.dim() == 3 ? byHead : matrix),
        ];
        return wanted.Select(entry => WhyNotParameter(entry.Name, entry.Parameter, entry.Shape)).FirstOrDefault(reason => reason is not null);

        long[] Shape(string name) => name.EndsWith("bias", StringComparison.Ordinal) ? [config.Hidden] : [config.Hidden, config.Hidden];
    }

    /// <summary>Attends.</summary>
    /// <param name="x">[batch, length, hidden], float32 on the CPU; length at most n.</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden], float32.</returns>
    /// <exception cref="ArgumentException">A shape or an element type does not fit.</exception>
    /// <exception cref="KernelException">The kernel failed.</exception>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor Forward(Tensor x, Tensor? mask = null)
    {
        CheckShapes(x, mask);
        _failure.ThrowIfAny();
        using var scope = NewDisposeScope();
        var keep = mask?.ne(0).to_type(ScalarType.Float32).contiguous();
        var drops = _attention.training && _config.EffectiveAttentionDropout > 0 && is_grad_enabled();
        var call = new Call(this, Kernel(x.shape[0], x.shape[1], drops), drops ? FusedContext.DrawSeed() : 0);
        var input = x.contiguous();
        var y = is_grad_enabled()
            ? Function.apply(input, _parameters[0], keep!, call)
            : call.Forward(input, keep, saved: null);
        return y.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _kernels.ForEach(entry => entry.Kernel.Dispose());
        _pool.Dispose();
    }

    private static string? WhyNotParameter(string name, Tensor? parameter, long[] shape)
    {
        if (parameter is null)
        {
            return $"The layer has no parameter '{name}'.";
        }

        if (!parameter.shape.SequenceEqual(shape))
        {
            return $"Parameter '{name}' has shape [{string.Join(", ", parameter.shape)}]; the kernel takes [{string.Join(", ", shape)}].";
        }

        return parameter.device_type == DeviceType.CPU && parameter.dtype == ScalarType.Float32 && parameter.requires_grad && parameter.is_contiguous()
            ? null
            : $"Parameter '{name}' is of type {parameter.dtype} on {parameter.device_type}{(parameter.requires_grad ? "" : " and frozen")}; the kernel takes Float32 on the CPU, all of it trained.";
    }

    private void CheckShapes(Tensor x, Tensor? mask)
    {
        var columns = _parameters[8].shape[^1];
        if (x.dim() != 3 || x.shape[0] < 1 || x.shape[1] < 1 || x.shape[1] > columns || x.shape[2] != _config.Hidden)
        {
            throw new ArgumentException($"x has shape [{string.Join(", ", x.shape)}]; it must be [batch, length, {_config.Hidden}] with a length from 1 to {columns}.", nameof(x));
        }

        if (x.dtype != ScalarType.Float32 || x.device_type != DeviceType.CPU)
        {
            throw new ArgumentException($"x is of type {x.dtype} on {x.device_type}; it must be Float32 on the CPU.", nameof(x));
        }

        if (mask is not null && !mask.shape.AsSpan().SequenceEqual(x.shape.AsSpan(0, 2)))
        {
            throw new ArgumentException($"mask has shape [{string.Join(", ", mask.shape)}]; it must be [{x.shape[0]}, {x.shape[1]}].", nameof(mask));
        }
    }

    private AttentionHandle Kernel(long batch, long length, bool drops)
    {
        var found = _kernels.FindIndex(entry => entry.Batch == batch && entry.Length == length && entry.Drops == drops);
        if (found >= 0)
        {
            return _kernels[found].Kernel;
        }

        if (_kernels.Count == MaxShapes)
        {
            _kernels.RemoveAt(0); // a graph that still needs it keeps it
        }

        var shape = new AttentionShape
        {
            Batch = batch,
            Length = length,
            Columns = _parameters[8].shape[^1],
            Hidden = _config.Hidden,
            Heads = _config.Heads,
            Projected = _config.ProjectedLength,
            Sharing = _parameters[8].dim() == 3 ? 0 : ReferenceEquals(_parameters[8], _parameters[9]) ? 2 : 1,
            BFloat16 = _precision == Precision.BFloat16 ? 1 : 0,
            Dropout = drops ? (float)_config.EffectiveAttentionDropout : 0,
        };
        KernelException.Check(KernelMethods.AttentionCreate(in shape, out var kernel, out var error), error);
        _kernels.Add((batch, length, drops, kernel));
        return kernel;
    }

    private AttentionPointers Pointers(Func<Parameter, Tensor> of)
    {
        var pointers = default(AttentionPointers);
        for (var i = 0; i < _parameters.Length; i++)
        {
            pointers[i] = Memory.Of(of(_parameters[i]));
        }

        return pointers;
    }

    private static Tensor Gradient(Parameter parameter) => parameter.grad ??= zeros_like(parameter).DetachFromDisposeScope();

    private sealed class Call(FusedAttention layer, AttentionHandle kernel, ulong seed)
    {
        private SavedPool.Saved? _saved;

        public Tensor ForwardForBackward(Tensor x, Tensor? keep)
        {
            _saved = layer._pool.Rent(KernelMethods.AttentionSavedBytes(kernel));
            return Forward(x, keep, _saved.Start);
        }

        public Tensor Forward(Tensor x, Tensor? keep, void* saved)
        {
            var y = empty_like(x);
            var values = layer.Pointers(parameter => parameter);
            KernelException.Check(
                KernelMethods.AttentionForward(kernel, in values, Memory.Of(x), keep is null ? 0 : Memory.Of(keep), seed, Memory.Of(y), saved, out var error),
                error);
            return y;
        }

        public void Backward(Tensor x, Tensor? keep, Tensor dy, Tensor dx) => layer._failure.Catch(dx, () =>
        {
            using var contiguous = dy.contiguous();
            var values = layer.Pointers(parameter => parameter);
            var gradients = layer.Pointers(Gradient);
            KernelException.Check(
                KernelMethods.AttentionBackward(
                    kernel, in values, Memory.Of(x), keep is null ? 0 : Memory.Of(keep), seed, _saved!.Start, Memory.Of(contiguous), Memory.Of(dx), in gradients, out var error),
                error);
            _saved.Dispose();
        });
    }

    /// <summary>The layer in the graph: x, one of its parameters (so that there is a node whatever x is), keep, the call.</summary>
    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_attention";

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
            call.Backward(saved[0], saved.Count > 1 ? saved[1] : null, grad_output, gradient);
            saved.ForEach(tensor => tensor.Dispose());
            grad_output.Dispose();
            return HandedOver.List(gradient, null, null, null);
        }
    }
}

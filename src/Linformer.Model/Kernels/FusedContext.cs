using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>What the fused blocks of one model share.</summary>
internal sealed class FusedContext : IDisposable
{
    /// <summary>What the names of the encoder's parameters begin with.</summary>
    public const string EncoderPrefix = "encoder.";

    private readonly BackwardFailure _failure = new();
    private bool _held;
    private bool _fresh;
    private bool _gradientsFound;

    /// <summary>Takes an encoder and its parameters, with those of what stands on it if that is fused as well.</summary>
    public FusedContext(Encoder encoder, IEnumerable<(string Name, Parameter Parameter)> parameters, Precision precision)
    {
        (Encoder, Precision) = (encoder, precision);
        Parameters = new FusedParameters(parameters, precision);
    }

    public Encoder Encoder { get; }

    public LinformerConfig Config => Encoder.Config;

    public Precision Precision { get; }

    public FusedParameters Parameters { get; }

    public SavedPool Pool { get; } = new();

    /// <summary>Told during backward, on its thread, of parameters whose gradients are complete.</summary>
    public Action<IReadOnlyList<Parameter>>? GradientsReady { get; set; }

    /// <summary>Whether dropout is on.</summary>
    public bool Drops => Encoder.training && Config.Dropout > 0;

    /// <summary>The parameters of an encoder with the names that they have in a model.</summary>
    public static IEnumerable<(string Name, Parameter Parameter)> Named(Encoder encoder) =>
        encoder.named_parameters().Select(entry => (EncoderPrefix + entry.name, entry.parameter));

    /// <summary>Why an encoder and parameters cannot be run by the kernels; null if they can.</summary>
    public static string? WhyNot(Encoder encoder, IEnumerable<(string Name, Parameter Parameter)> parameters, Precision precision)
    {
        if (!KernelLibrary.IsAvailable)
        {
            return "The library linformer_kernels cannot be loaded.";
        }

        if (precision == Precision.BFloat16 && !KernelLibrary.HasBFloat16)
        {
            return "This processor does not multiply bfloat16 in hardware.";
        }

        if (encoder.Config.Attention != AttentionKind.Linear)
        {
            return "The kernels have linear attention only.";
        }

        if (!encoder.Config.HasPlainEncoder)
        {
            return "The kernels have the plain Linformer only, not its variants.";
        }

        foreach (var (name, parameter) in parameters)
        {
            if (parameter.device_type != DeviceType.CPU || parameter.dtype != ScalarType.Float32 || !parameter.requires_grad)
            {
                return $"Parameter '{name}' is of type {parameter.dtype} on {parameter.device_type}{(parameter.requires_grad ? "" : " and frozen")}; the kernels take Float32 on the CPU, all of it trained.";
            }
        }

        return null;
    }

    /// <summary>Sees to it that addresses and copies are those of the parameters as they are.</summary>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public void Begin()
    {
        _failure.ThrowIfAny();
        if (!_held || !_fresh || (is_grad_enabled() && !_gradientsFound))
        {
            Parameters.Refresh(withGradients: is_grad_enabled());
            (_fresh, _gradientsFound) = (true, is_grad_enabled());
        }
    }

    /// <summary>Until the result is disposed, parameters are taken to stay as they are.</summary>
    public IDisposable Hold()
    {
        (_held, _fresh) = (true, false);
        return new Held(this);
    }

    /// <summary>
    /// The seed of a block's dropout, drawn from torch's generator, so that whoever restores the generator's state gets
    /// the same mask again; 0 without dropout.
    /// </summary>
    public ulong DropoutSeed() => Drops ? DrawSeed() : 0;

    /// <summary>A seed from torch's generator.</summary>
    public static ulong DrawSeed()
    {
        using var drawn = randint(long.MaxValue, [1], dtype: ScalarType.Int64);
        return (ulong)drawn.item<long>();
    }

    /// <inheritdoc cref="BackwardFailure.Catch"/>
    public void Backward(Tensor gradient, Action run) => _failure.Catch(gradient, run);

    public void Dispose()
    {
        Parameters.Dispose();
        Pool.Dispose();
    }

    private sealed class Held(FusedContext context) : IDisposable
    {
        public void Dispose() => context._held = false;
    }
}

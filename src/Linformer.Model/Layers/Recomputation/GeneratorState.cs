using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// From where on dropout draws in a part of a network, so that it can be computed anew with the same masks. On the CPU the generator goes on
/// as it would have. The generator of a GPU tells nobody its state: it is seeded instead, with a number from that of the CPU.
/// </summary>
internal sealed class GeneratorState
{
    private readonly Tensor _state;
    private readonly long? _seed;

    private GeneratorState(Tensor state, long? seed) => (_state, _seed) = (state, seed);

    /// <summary>Notes where the generators stand.</summary>
    /// <param name="device">Where the part is computed.</param>
    public static GeneratorState Take(Device device)
    {
        long? seed = null;
        if (device.type == TorchSharp.DeviceType.CUDA)
        {
            using var drawn = randint(long.MaxValue, [1], dtype: ScalarType.Int64);
            seed = drawn.item<long>();
            cuda.manual_seed(seed.Value);
        }

        return new GeneratorState(get_rng_state().DetachFromDisposeScope(), seed);
    }

    /// <summary>Puts the generators back there, until the result is disposed.</summary>
    public IDisposable Restore()
    {
        var before = get_rng_state().DetachFromDisposeScope();
        set_rng_state(_state);
        if (_seed is { } seed)
        {
            cuda.manual_seed(seed);
        }

        return new Restored(before);
    }

    private sealed class Restored(Tensor before) : IDisposable
    {
        public void Dispose()
        {
            set_rng_state(before);
            before.Dispose();
        }
    }
}

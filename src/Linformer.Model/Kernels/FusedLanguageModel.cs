using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>
/// Runs a masked language model with kernels that compute a block at a time: the embeddings, each encoder layer, the head
/// with its loss. The same function as the model's own <see cref="MaskedLanguageModel.LogitsAt"/> with cross-entropy, to
/// rounding, and several times as fast on a CPU.
/// </summary>
/// <remarks>
/// <para>For one thread. Backward adds to the gradients of the parameters in place, whatever graph there is.</para>
/// <para>Between a forward pass and its backward pass the parameters must stay as they are.</para>
/// </remarks>
public sealed class FusedLanguageModel : IDisposable
{
    private readonly FusedContext _context;
    private readonly FusedEncoder _encoder;
    private readonly FusedHead _head;

    /// <summary>Takes a model, which stays the caller's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="precision">In what products are computed.</param>
    /// <exception cref="NotSupportedException">The model cannot be run so; see <see cref="WhyNot"/>.</exception>
    public FusedLanguageModel(MaskedLanguageModel model, Precision precision)
    {
        if (WhyNot(model, precision) is { } reason)
        {
            throw new NotSupportedException(reason);
        }

        _context = new FusedContext(model.Encoder, model.named_parameters(), precision);
        _encoder = new FusedEncoder(_context);
        _head = new FusedHead(_context);
    }

    /// <summary>In what products are computed.</summary>
    public Precision Precision => _context.Precision;

    /// <summary>
    /// Told during a backward pass, on its thread, of parameters whose gradients this pass will not change any more.
    /// Must not throw.
    /// </summary>
    public Action<IReadOnlyList<Parameter>>? GradientsReady
    {
        get => _context.GradientsReady;
        set => _context.GradientsReady = value;
    }

    /// <summary>Why a model cannot be run by these kernels; null if it can.</summary>
    /// <param name="model">The model.</param>
    /// <param name="precision">In what products are to be computed.</param>
    public static string? WhyNot(MaskedLanguageModel model, Precision precision)
    {
        ArgumentNullException.ThrowIfNull(model);
        return FusedContext.WhyNot(model.Encoder, model.named_parameters(), precision)
            ?? (model.Config.Head == HeadKind.Transformed ? null : "The kernels have the head of the plain Linformer only.");
    }

    /// <summary>Promises that the parameters stay as they are until the result is disposed, so that their copies are made once.</summary>
    public IDisposable HoldWeights() => _context.Hold();

    /// <summary>The sum of the cross-entropies at the predicted positions.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <param name="positions">Places in the flattened batch, [predicted], int64, from 0 to batch·length - 1, each at most once.</param>
    /// <param name="targets">The token ids to predict there, [predicted], int64.</param>
    /// <returns>A scalar, in nats.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    /// <exception cref="KernelException">An id or a position is out of range.</exception>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor LossAt(Tensor inputIds, Tensor? attentionMask, Tensor positions, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var x = _encoder.BeforeNorm(inputIds, attentionMask);
        return _head.Loss(x, positions.contiguous(), targets.contiguous()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _head.Dispose();
        _encoder.Dispose();
    }
}

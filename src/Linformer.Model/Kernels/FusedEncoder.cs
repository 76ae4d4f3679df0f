using Linformer.Model.Classification;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>
/// Runs an <see cref="Encoder"/> with kernels that compute a block at a time: the embeddings, each layer. The same function as the
/// encoder itself, to rounding, and several times as fast on a CPU.
/// </summary>
/// <remarks>
/// <para>For one thread. Backward adds to the gradients of the parameters in place, whatever graph there is.</para>
/// <para>Between a forward pass and its backward pass the parameters must stay as they are.</para>
/// </remarks>
public sealed class FusedEncoder : IDisposable
{
    private readonly FusedContext _context;
    private readonly FusedEmbedding _embedding;
    private readonly FusedLayers _layers;

    /// <summary>Takes an encoder, which stays the caller's.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="precision">In what products are computed.</param>
    /// <exception cref="NotSupportedException">The encoder cannot be run so; see <see cref="WhyNot"/>.</exception>
    public FusedEncoder(Encoder encoder, Precision precision)
        : this(WhyNot(encoder, precision) is { } reason
            ? throw new NotSupportedException(reason)
            : new FusedContext(encoder, FusedContext.Named(encoder), precision))
    {
    }

    /// <summary>Runs the encoder of a context, which is disposed with it.</summary>
    internal FusedEncoder(FusedContext context)
    {
        _context = context;
        _embedding = new FusedEmbedding(context);
        _layers = new FusedLayers(context);
    }

    /// <summary>In what products are computed.</summary>
    public Precision Precision => _context.Precision;

    /// <summary>
    /// Told during a backward pass, on its thread, of parameters whose gradients this pass will not change any more.
    /// Must not throw. It is not told of the last norm of a pre-norm encoder.
    /// </summary>
    public Action<IReadOnlyList<Parameter>>? GradientsReady
    {
        get => _context.GradientsReady;
        set => _context.GradientsReady = value;
    }

    /// <summary>Why an encoder cannot be run by these kernels; null if it can.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="precision">In what products are to be computed.</param>
    public static string? WhyNot(Encoder encoder, Precision precision)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        return FusedContext.WhyNot(encoder, FusedContext.Named(encoder), precision);
    }

    /// <summary>Kernels for an encoder, where they have it.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="precision">In what products are computed.</param>
    /// <returns>Null if they do not; see <see cref="WhyNot"/>.</returns>
    public static FusedEncoder? TryCreate(Encoder encoder, Precision precision) =>
        WhyNot(encoder, precision) is null ? new FusedEncoder(encoder, precision) : null;

    /// <summary>Promises that the parameters stay as they are until the result is disposed, so that their copies are made once.</summary>
    public IDisposable HoldWeights() => _context.Hold();

    /// <summary>Encodes a batch: <see cref="Encoder"/>'s own forward pass.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>Hidden states [batch, length, hidden], float32.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    /// <exception cref="KernelException">An id is out of range.</exception>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor Forward(Tensor inputIds, Tensor? attentionMask)
    {
        using var scope = NewDisposeScope();
        return _context.Encoder.LastNorm(BeforeNorm(inputIds, attentionMask)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// What stands for each row as a whole: the hidden states, pooled. Rows of like lengths go through the layers together, so that little
    /// is computed for padding.
    /// </summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <param name="pooling">How.</param>
    /// <returns>[batch, hidden], float32.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    /// <exception cref="KernelException">An id is out of range.</exception>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor Pooled(Tensor inputIds, Tensor? attentionMask, Pooling pooling)
    {
        _context.Encoder.CheckShapes(inputIds, attentionMask);
        _context.Begin();
        using var scope = NewDisposeScope();
        var groups = RowGroup.Of(inputIds, attentionMask, _context.Config.SequenceLength);
        var pass = NewPass(groups.Count);
        var pooled = groups.Select(group => Pool(group.Ids, group.Keep, pooling, pass)).ToList();
        var order = RowGroup.PlacesOfRows(groups);
        return (order is null ? pooled[0] : cat(pooled, dim: 0).index_select(0, order)).MoveToOuterDisposeScope();
    }

    /// <summary>What the last layer gives, before the norm of a pre-norm encoder.</summary>
    internal Tensor BeforeNorm(Tensor inputIds, Tensor? attentionMask)
    {
        _context.Encoder.CheckShapes(inputIds, attentionMask);
        _context.Begin();
        using var scope = NewDisposeScope();
        var keep = attentionMask?.ne(0).to_type(ScalarType.Float32).contiguous();
        return Through(inputIds.contiguous(), keep, NewPass(1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _layers.Dispose();
        _context.Dispose();
    }

    private FusedPass NewPass(int parts) => new(parts, _context.Config.Layers);

    private Tensor Through(Tensor ids, Tensor? keep, FusedPass pass)
    {
        var x = _embedding.Forward(ids, pass);
        for (var layer = 0; layer < _context.Config.Layers; layer++)
        {
            x = _layers.Forward(layer, x, keep, pass);
        }

        return x;
    }

    // The norm of what is not looked at would be for nothing.
    private Tensor Pool(Tensor ids, Tensor? keep, Pooling pooling, FusedPass pass)
    {
        var x = Through(ids, keep, pass);
        return pooling == Pooling.First
            ? _context.Encoder.LastNorm(ClassificationModel.Pool(x, keep, pooling))
            : ClassificationModel.Pool(_context.Encoder.LastNorm(x), keep, pooling);
    }
}

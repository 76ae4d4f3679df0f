using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>Where one parameter lies in the flat buffers.</summary>
/// <param name="Name">The parameter's logical name in the model.</param>
/// <param name="Offset">First element.</param>
/// <param name="Shape">The parameter's shape.</param>
/// <param name="Decays">Whether weight decay applies to it.</param>
public sealed record ParameterSlice(string Name, long Offset, long[] Shape, bool Decays)
{
    /// <summary>Elements of the parameter.</summary>
    public long Length { get; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>A view of this parameter's range in a flat buffer, in the parameter's shape.</summary>
    /// <param name="flat">A buffer laid out like <see cref="FlatParameters.Values"/>.</param>
    public Tensor ViewOf(Tensor flat)
    {
        using var range = flat.narrow(0, Offset, Length);
        return range.view(Shape);
    }
}

/// <summary>
/// All parameters of a model in one contiguous buffer and all gradients in another; the model's own tensors are
/// views of them. A fused update, an all-reduce, a snapshot, a hash are then one operation on one range.
/// </summary>
public sealed class FlatParameters : IDisposable
{
    // Every parameter starts on a cache line: 16 elements of 4 bytes.
    private const long Alignment = 16;

    private readonly List<Tensor> _gradientViews = [];

    /// <summary>Moves the parameters of <paramref name="model"/> into a flat buffer, values kept.</summary>
    /// <param name="model">The model; its parameters are re-pointed, not replaced.</param>
    /// <param name="trailer">Elements kept behind the gradients for sums that travel with them.</param>
    public FlatParameters(nn.Module model, int trailer)
    {
        var parameters = model.named_parameters().ToArray();
        Slices = Layout(parameters.Select(p => (p.name, p.parameter.shape)), out var decayedLength, out var length);
        DecayedLength = decayedLength;
        Length = length;

        var first = parameters[0].parameter;
        Values = zeros([length], dtype: first.dtype, device: first.device);
        GradientsAndTrailer = zeros([length + trailer], dtype: first.dtype, device: first.device);
        Gradients = GradientsAndTrailer.narrow(0, 0, length);
        Trailer = GradientsAndTrailer.narrow(0, length, trailer);

        var byName = parameters.ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        using var noGrad = no_grad();
        foreach (var slice in Slices)
        {
            var parameter = byName[slice.Name];
            using var values = slice.ViewOf(Values);
            values.copy_(parameter);
            parameter.set_(values);
            var gradient = slice.ViewOf(Gradients);
            parameter.grad = gradient;
            _gradientViews.Add(gradient);
        }
    }

    /// <summary>Parameters by place: those with weight decay first.</summary>
    public IReadOnlyList<ParameterSlice> Slices { get; }

    /// <summary>Elements of <see cref="Values"/>, alignment included.</summary>
    public long Length { get; }

    /// <summary>Elements at the front to which weight decay applies.</summary>
    public long DecayedLength { get; }

    /// <summary>All parameters, [length].</summary>
    public Tensor Values { get; }

    /// <summary>All gradients, [length].</summary>
    public Tensor Gradients { get; }

    /// <summary>The elements behind the gradients, [trailer].</summary>
    public Tensor Trailer { get; }

    /// <summary>Gradients and trailer, contiguous: what is all-reduced.</summary>
    public Tensor GradientsAndTrailer { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var view in _gradientViews)
        {
            view.Dispose();
        }

        Trailer.Dispose();
        Gradients.Dispose();
        GradientsAndTrailer.Dispose();
        Values.Dispose();
    }

    private static List<ParameterSlice> Layout(
        IEnumerable<(string Name, long[] Shape)> parameters, out long decayedLength, out long length)
    {
        // Biases and the gains of norms are vectors; weights, embeddings and projections are not.
        var slices = new List<ParameterSlice>();
        var offset = 0L;
        var decayed = 0L;
        foreach (var (name, shape) in parameters.OrderBy(p => p.Shape.Length < 2))
        {
            var slice = new ParameterSlice(name, offset, shape, Decays: shape.Length >= 2);
            slices.Add(slice);
            offset += (slice.Length + Alignment - 1) / Alignment * Alignment;
            decayed = slice.Decays ? offset : decayed;
        }

        decayedLength = decayed;
        length = offset;
        return slices;
    }
}

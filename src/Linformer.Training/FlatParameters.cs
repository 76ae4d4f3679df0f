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
/// All trained parameters of a model in one contiguous buffer and all gradients in another; the model's own tensors are
/// views of them. A fused update, an all-reduce, a snapshot, a hash are then one operation on one range. What is frozen stays the
/// model's alone: it has neither gradient nor moments, and is a function of the job.
/// </summary>
public sealed class FlatParameters : IDisposable
{
    // Every parameter starts on a cache line: 16 elements of 4 bytes.
    private const long Alignment = 16;

    private readonly List<Tensor> _gradientViews = [];
    private readonly List<int> _places;

    /// <summary>Moves the parameters of <paramref name="model"/> into a flat buffer, values kept.</summary>
    /// <param name="model">The model; its parameters are re-pointed, not replaced.</param>
    /// <param name="trailer">Elements kept behind the gradients for sums that travel with them.</param>
    /// <param name="gradientOrder">See <see cref="ITrainingTask.GradientOrder"/>; null for none.</param>
    /// <exception cref="ArgumentException">The order names a parameter that the model does not train, or one of them twice.</exception>
    public FlatParameters(nn.Module model, int trailer, IReadOnlyList<IReadOnlyList<string>>? gradientOrder = null)
    {
        var parameters = model.named_parameters().Where(p => p.parameter.requires_grad).ToArray();
        var places = PlacesIn(gradientOrder ?? [], parameters.Select(p => p.name));
        var shapes = parameters.Select(p => (p.name, p.parameter.shape)).OrderBy(p => places[p.name]);
        Slices = Layout(shapes, out var decayedLength, out var length);
        _places = [.. Slices.Select(slice => places[slice.Name])];
        DecayedLength = decayedLength;
        Length = length;

        var first = parameters[0].parameter;
        Values = zeros([length], dtype: first.dtype, device: first.device);
        GradientsAndTrailer = zeros([length + trailer], dtype: first.dtype, device: first.device);
        Gradients = GradientsAndTrailer.narrow(0, 0, length);
        Trailer = GradientsAndTrailer.narrow(0, length, trailer);

        var byName = parameters.ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        Tensors = [.. Slices.Select(slice => byName[slice.Name])];
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

    /// <summary>Parameters by place: those with weight decay first, each kind in the order in which backward completes the gradients.</summary>
    public IReadOnlyList<ParameterSlice> Slices { get; }

    /// <summary>The model's own tensors, as <see cref="Slices"/> are ordered.</summary>
    public IReadOnlyList<Tensor> Tensors { get; }

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

    /// <summary>
    /// Cuts the gradients into ranges that backward completes one after the other. The last one has the rest: what is completed last,
    /// and what has no weight decay, which is little.
    /// </summary>
    /// <param name="minimum">Fewest elements of a range but the last.</param>
    /// <returns>The end of each range, in elements; that of the last is <see cref="Length"/>.</returns>
    public IReadOnlyList<long> BucketEnds(long minimum)
    {
        var ends = new List<long>();
        var start = 0L;
        for (var i = 1; i < Slices.Count && Slices[i].Decays; i++)
        {
            var end = Slices[i].Offset;
            if (_places[i] != _places[i - 1] && end - start >= minimum)
            {
                ends.Add(end);
                start = end;
            }
        }

        ends.Add(Length);
        return ends;
    }

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

    // The number of each parameter's group; that of those in none is behind all others.
    private static Dictionary<string, int> PlacesIn(IReadOnlyList<IReadOnlyList<string>> order, IEnumerable<string> names)
    {
        var places = names.ToDictionary(name => name, _ => order.Count, StringComparer.Ordinal);
        for (var group = 0; group < order.Count; group++)
        {
            foreach (var name in order[group])
            {
                if (!places.TryGetValue(name, out var place) || place != order.Count)
                {
                    throw new ArgumentException($"The order of gradients names parameter '{name}', which {(places.ContainsKey(name) ? "it has named before" : "the model does not have")}.", nameof(order));
                }

                places[name] = group;
            }
        }

        return places;
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

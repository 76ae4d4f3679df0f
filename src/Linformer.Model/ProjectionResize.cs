using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>A tensor that was taken to another length n.</summary>
/// <param name="Name">The parameter's name.</param>
/// <param name="From">Its shape in the file.</param>
/// <param name="To">Its shape in the model.</param>
public sealed record ResizedTensor(string Name, long[] From, long[] To)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} from [{string.Join(", ", From)}] to [{string.Join(", ", To)}]";
}

/// <summary>
/// Takes what depends on the sequence length n to another n, so that a model that was trained at one length goes on at another. k stays: by
/// the paper's theorem 2 it does not have to grow with n.
/// </summary>
/// <remarks>
/// A shorter n keeps the first columns of projections and the first positions, which is what the model does with a short sequence anyway.
/// For a longer one, the rows of projections and the positions are interpolated linearly along n, and projections are multiplied by n/n'
/// of the old n and the new n', so that a row's sum stays: what it makes of a slowly changing sequence stays the same. See
/// docs/model-format.md for what other rules cost.
/// </remarks>
public static class ProjectionResize
{
    /// <summary>Resizes a projection.</summary>
    /// <param name="projection">E or F, [..., k, n].</param>
    /// <param name="length">The new n, at least 1.</param>
    /// <returns>[..., k, length].</returns>
    public static Tensor Projection(Tensor projection, long length)
    {
        var before = projection.shape[^1];
        return length <= before ? projection.narrow(-1, 0, length) : Stretched(projection, length) * ((double)before / length);
    }

    /// <summary>Resizes the kernel of a convolution to another n/k.</summary>
    /// <param name="kernel">[..., outputs, inputs, window].</param>
    /// <param name="window">The new window, at least 1.</param>
    /// <returns>[..., outputs, inputs, window].</returns>
    public static Tensor Convolution(Tensor kernel, long window) => Stretched(kernel, window) * ((double)kernel.shape[^1] / window);

    /// <summary>Resizes learned positions.</summary>
    /// <param name="positions">[n, width].</param>
    /// <param name="length">The new n, at least 1.</param>
    /// <returns>[length, width].</returns>
    public static Tensor Positions(Tensor positions, long length) =>
        length <= positions.shape[0] ? positions.narrow(0, 0, length) : Stretched(positions.transpose(0, 1), length).transpose(0, 1);

    /// <summary>Reads a tensor into a parameter, resized if that is of another length.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The tensor's name in it.</param>
    /// <param name="destination">What is overwritten.</param>
    /// <returns>What was resized, or null if nothing had to be.</returns>
    /// <exception cref="ModelFormatException">The shapes differ in more than the length; a list of k may not change.</exception>
    /// <exception cref="SafeTensorsException">There is no such tensor, or it cannot be read.</exception>
    public static ResizedTensor? ReadInto(SafeTensorsFile file, string name, Tensor destination)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(destination);
        var (before, after) = (file[name].Shape.ToArray(), destination.shape);
        if (before.SequenceEqual(after) || Kind(name) is not { } kind || !DifferInLengthOnly(kind, before, after))
        {
            CheckProjectedLength(file, name, before, after);
            Weights.ReadInto(file, name, destination);
            return null;
        }

        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var source = Weights.Read(file, name);
        destination.copy_(kind switch
        {
            ResizeKind.Positions => Positions(source, after[0]),
            ResizeKind.Convolution => Convolution(source, after[^1]),
            _ => Projection(source, after[^1]),
        });
        return new ResizedTensor(name, before, after);
    }

    private enum ResizeKind
    {
        Projection,
        Convolution,
        Positions,
    }

    private static ResizeKind? Kind(string name)
    {
        var last = name[(name.LastIndexOf('.') + 1)..];
        return name.EndsWith("position.weight", StringComparison.Ordinal) ? ResizeKind.Positions
            : last.EndsWith("bias", StringComparison.Ordinal) ? null
            : last.Contains("convolution", StringComparison.Ordinal) ? ResizeKind.Convolution
            : last.Contains("projection", StringComparison.Ordinal) ? ResizeKind.Projection
            : null;
    }

    private static bool DifferInLengthOnly(ResizeKind kind, long[] before, long[] after) =>
        before.Length == after.Length && (kind == ResizeKind.Positions ? before.AsSpan(1).SequenceEqual(after.AsSpan(1)) : before.AsSpan(..^1).SequenceEqual(after.AsSpan(..^1)));

    private static void CheckProjectedLength(SafeTensorsFile file, string name, long[] before, long[] after)
    {
        if (Kind(name) == ResizeKind.Projection && before.Length == after.Length && before[^2] != after[^2])
        {
            throw new ModelFormatException($"{file.Path}: tensor '{name}' projects to k = {before[^2]}, and the model to {after[^2]}; n may change when a model is taken on, k may not.");
        }
    }

    // Linear, with the ends of the old range at the ends of the new one; beyond the outermost middles the values stay.
    private static Tensor Stretched(Tensor x, long length)
    {
        var before = x.shape[^1];
        var place = ((arange(0, length, dtype: ScalarType.Float64) + 0.5) * ((double)before / length) - 0.5).clamp(0, before - 1);
        var low = place.floor();
        var high = (low + 1).clamp(0, before - 1);
        var share = (place - low).to_type(x.dtype).to(x.device);
        return (At(low) * (1 - share)) + (At(high) * share);

        Tensor At(Tensor places) => x.index_select(-1, places.to_type(ScalarType.Int64).to(x.device));
    }
}

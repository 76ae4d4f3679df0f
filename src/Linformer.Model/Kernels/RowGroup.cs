using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>Rows of a batch that go through the layers together.</summary>
/// <param name="Rows">Their numbers in the batch.</param>
/// <param name="Ids">[rows, length], int64.</param>
/// <param name="Keep">[rows, length], 1 for a token and 0 for padding, float32; null when nothing is padded.</param>
internal sealed record RowGroup(int[] Rows, Tensor Ids, Tensor? Keep)
{
    // What one more group costs, in rows of hidden states that are computed: gradients of weights are read and written by group.
    private const long CostOfGroup = 192;

    private const int ShortestLength = 16;

    /// <summary>Cuts a batch into groups.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <param name="longest">Tokens that the model takes at most.</param>
    /// <returns>Groups that depend on the lengths of the rows alone.</returns>
    public static IReadOnlyList<RowGroup> Of(Tensor inputIds, Tensor? attentionMask, int longest)
    {
        var (batch, length) = ((int)inputIds.shape[0], (int)inputIds.shape[1]);
        using var onCpu = inputIds.contiguous();
        using var mask = attentionMask?.ne(0).to_type(ScalarType.Float32).contiguous() ?? ones(inputIds.shape);
        var ids = MemoryMarshal.Cast<byte, long>(onCpu.bytes);
        var keep = MemoryMarshal.Cast<byte, float>(mask.bytes);
        var lengths = new int[batch];
        for (var row = 0; row < batch; row++)
        {
            lengths[row] = Math.Min(longest, Rounded(keep.Slice(row * length, length).LastIndexOf(1f) + 1));
        }

        var groups = new List<RowGroup>();
        foreach (var rows in Cut(lengths))
        {
            groups.Add(Taken(rows, lengths[rows[^1]], ids, keep, length));
        }

        return groups;
    }

    /// <summary>Where each row of the batch stands among those of the groups, [batch], int64; null if the only group is the batch as it was.</summary>
    /// <param name="groups">The groups.</param>
    public static Tensor? PlacesOfRows(IReadOnlyList<RowGroup> groups)
    {
        var rows = groups.SelectMany(group => group.Rows).ToArray();
        var places = new long[rows.Length];
        for (var place = 0; place < rows.Length; place++)
        {
            places[rows[place]] = place;
        }

        return places.Select((place, row) => place == row).All(same => same) && groups.Count == 1 ? null : tensor(places);
    }

    /// <summary>Cuts rows into groups so that the rows with their padding, and the groups themselves, cost least.</summary>
    /// <param name="lengths">The length of each row.</param>
    /// <returns>The numbers of the rows of each group, the longest last; within a group and over the groups their lengths ascend.</returns>
    internal static IReadOnlyList<int[]> Cut(int[] lengths)
    {
        int[] order = [.. Enumerable.Range(0, lengths.Length).OrderBy(row => lengths[row])]; // stable
        var (costs, starts) = (new long[order.Length + 1], new int[order.Length + 1]);
        for (var end = 1; end <= order.Length; end++)
        {
            costs[end] = long.MaxValue;
            for (var start = 0; start < end; start++)
            {
                var cost = costs[start] + ((long)(end - start) * lengths[order[end - 1]]) + CostOfGroup;
                if (cost < costs[end])
                {
                    (costs[end], starts[end]) = (cost, start);
                }
            }
        }

        var groups = new List<int[]>();
        for (var end = order.Length; end > 0; end = starts[end])
        {
            groups.Add(order[starts[end]..end]);
        }

        groups.Reverse();
        return groups;
    }

    // To an eighth of the power of two below it, so that there are few shapes to make kernels for.
    private static int Rounded(int length)
    {
        var step = Math.Max(ShortestLength, (int)(BitOperations.RoundUpToPowerOf2((uint)length) / 16));
        return Math.Max(1, (length + step - 1) / step) * step;
    }

    private static RowGroup Taken(int[] rows, int length, ReadOnlySpan<long> ids, ReadOnlySpan<float> keep, int stride)
    {
        var (taken, kept) = (new long[rows.Length * length], new float[rows.Length * length]);
        for (var i = 0; i < rows.Length; i++)
        {
            var count = Math.Min(length, stride);
            ids.Slice(rows[i] * stride, count).CopyTo(taken.AsSpan(i * length));
            keep.Slice(rows[i] * stride, count).CopyTo(kept.AsSpan(i * length));
        }

        return new RowGroup(rows, tensor(taken, [rows.Length, length]), kept.AsSpan().Contains(0f) ? tensor(kept, [rows.Length, length]) : null);
    }
}

using System.Collections.Concurrent;
using Linformer.Data;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>Masks a sequence: see <see cref="Masker.Mask(long, ReadOnlySpan{int}, int, Span{int}, Span{int}, Span{int})"/>.</summary>
/// <param name="number">The sample's number.</param>
/// <param name="tokens">[n]: token ids.</param>
/// <param name="count">How many of them are real.</param>
/// <param name="inputs">[n]: receives the tokens with the chosen ones replaced.</param>
/// <param name="positions">[at least count]: receives where the chosen tokens are, ascending.</param>
/// <param name="targets">[at least count]: receives what they were.</param>
/// <returns>How many tokens were chosen.</returns>
public delegate int MaskSequence(long number, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets);

/// <summary>Reads and masks micro-batches: each a function of the numbers of its samples. Safe for many threads, of which one reads at a time.</summary>
/// <param name="sequences">The sequences.</param>
/// <param name="order">Which sequence a sample is; null when samples have the numbers of sequences.</param>
/// <param name="mask">Chooses the tokens to predict.</param>
/// <param name="padding">The id under padding.</param>
/// <param name="device">Where the tensors go.</param>
public sealed class MaskedBatchReader(SequenceSet sequences, SampleOrder? order, MaskSequence mask, int padding, Device device)
{
    private readonly Lock _lock = new();
    private readonly ConcurrentBag<MaskedRows> _unused = [];
    private readonly SequenceRuns? _runs = order is null ? null : new SequenceRuns(sequences, order);
    private readonly int[] _tokens = new int[sequences.SequenceLength];
    private readonly int[] _inputs = new int[sequences.SequenceLength];
    private readonly int[] _positions = new int[sequences.SequenceLength];
    private readonly int[] _targets = new int[sequences.SequenceLength];

    /// <summary>Reads a micro-batch. It is placed when its tensors are asked for.</summary>
    /// <param name="first">The number of its first sample.</param>
    /// <param name="count">Samples.</param>
    /// <returns>The micro-batch, which belongs to the caller.</returns>
    /// <exception cref="BadDataException">A shard is damaged.</exception>
    /// <exception cref="IOException">A shard cannot be read.</exception>
    public MaskedBatch Read(long first, int count)
    {
        var rows = _unused.TryTake(out var unused) ? unused : new MaskedRows();
        lock (_lock)
        {
            rows.Begin(count, sequences.SequenceLength);
            for (var row = 0; row < count; row++)
            {
                ReadRow(rows, row, first + row);
            }
        }

        return new MaskedBatch(rows, device, _unused.Add);
    }

    private void ReadRow(MaskedRows rows, int row, long number)
    {
        var n = _tokens.Length;
        var length = _runs is null ? sequences.Read(number, _tokens) : _runs.Read(order!.SequenceOf(number), _tokens);
        var chosen = mask(number, _tokens, length, _inputs, _positions, _targets);
        var ids = rows.Ids.Slice(row * n, n);
        var keep = rows.Keep.Slice(row * n, n);
        Widen(_inputs.AsSpan(0, length), ids, 0);
        ids[length..].Fill(padding);
        keep[..length].Fill(1);
        keep[length..].Clear();
        Widen(_positions.AsSpan(0, chosen), rows.Positions[rows.Predicted..], row * (long)n);
        Widen(_targets.AsSpan(0, chosen), rows.Targets[rows.Predicted..], 0);
        rows.Predicted += chosen;
        rows.Tokens += length;
    }

    private static void Widen(ReadOnlySpan<int> numbers, Span<long> wide, long offset)
    {
        for (var i = 0; i < numbers.Length; i++)
        {
            wide[i] = numbers[i] + offset;
        }
    }
}

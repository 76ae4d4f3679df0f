using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>
/// A micro-batch of examples on the model's device, its rows padded to the longest of them. The tensors belong to the batch. An example has
/// one row, or one for each window of a long text.
/// </summary>
public sealed class ClassificationBatch : IDisposable
{
    private readonly IReadOnlyList<(int Example, int[] Tokens)> _rows;
    private readonly double[] _targets;
    private readonly int _padding;
    private readonly Device _device;
    private Tensor? _ids;
    private Tensor? _mask;
    private Tensor? _shares;

    /// <summary>Takes rows; <see cref="Place"/> brings them to the device.</summary>
    /// <param name="rows">The rows with the number of their example in the batch, ascending.</param>
    /// <param name="targets">What is to be predicted of each example.</param>
    /// <param name="padding">The id under padding.</param>
    /// <param name="device">Where the tensors go.</param>
    public ClassificationBatch(IReadOnlyList<(int Example, int[] Tokens)> rows, double[] targets, int padding, Device device)
    {
        (_rows, _targets, _padding, _device) = (rows, targets, padding, device);
        Length = rows.Max(row => row.Tokens.Length);
        Tokens = rows.Sum(row => (long)row.Tokens.Length);
    }

    /// <summary>Examples.</summary>
    public int Examples => _targets.Length;

    /// <summary>The longest row.</summary>
    public int Length { get; }

    /// <summary>Tokens that go through the model, padding left out.</summary>
    public long Tokens { get; }

    /// <summary>What is to be predicted of each example: the number of its class, or the number itself.</summary>
    public ReadOnlySpan<double> Targets => _targets;

    /// <summary>[rows, length] int64: the token ids.</summary>
    public Tensor Ids => Placed(_ids);

    /// <summary>[rows, length] int64: 1 for a token, 0 for padding; null when nothing is padded.</summary>
    public Tensor? AttentionMask
    {
        get
        {
            Place();
            return _mask;
        }
    }

    /// <summary>[examples, rows] float32: the share of each row in the mean of its example; null when each example has one row.</summary>
    public Tensor? Shares
    {
        get
        {
            Place();
            return _shares;
        }
    }

    /// <summary>Brings the numbers to the device; what asks for a tensor does it, too.</summary>
    public void Place()
    {
        if (_ids is not null)
        {
            return;
        }

        var (ids, mask) = (new long[_rows.Count * Length], new long[_rows.Count * Length]);
        Array.Fill(ids, _padding);
        for (var row = 0; row < _rows.Count; row++)
        {
            var tokens = _rows[row].Tokens;
            for (var i = 0; i < tokens.Length; i++)
            {
                (ids[(row * Length) + i], mask[(row * Length) + i]) = (tokens[i], 1);
            }
        }

        _ids = Moved(ids, _rows.Count, Length);
        _mask = Tokens < ids.Length ? Moved(mask, _rows.Count, Length) : null;
        _shares = _rows.Count > Examples ? Moved(RowShares(), Examples, _rows.Count) : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ids?.Dispose();
        _mask?.Dispose();
        _shares?.Dispose();
    }

    private float[] RowShares()
    {
        var shares = new float[Examples * _rows.Count];
        foreach (var rows in _rows.Select((row, i) => (row.Example, i)).GroupBy(row => row.Example, row => row.i))
        {
            foreach (var row in rows)
            {
                shares[(rows.Key * _rows.Count) + row] = 1f / rows.Count();
            }
        }

        return shares;
    }

    private Tensor Placed(Tensor? made)
    {
        Place();
        return made ?? _ids!;
    }

    private Tensor Moved<T>(T[] values, long rows, long columns)
        where T : unmanaged
    {
        var onCpu = empty([rows, columns], dtype: typeof(T) == typeof(float) ? ScalarType.Float32 : ScalarType.Int64);
        values.AsSpan().CopyTo(MemoryMarshal.Cast<byte, T>(onCpu.bytes));
        if (_device.type == DeviceType.CPU)
        {
            return onCpu.DetachFromDisposeScope();
        }

        using (onCpu)
        {
            return onCpu.to(_device).DetachFromDisposeScope();
        }
    }
}

using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>
/// A micro-batch of masked sequences as tensors of one block of memory on the model's device. The tensors belong to the dispose
/// scope in which they are asked for, and outlive the batch.
/// </summary>
public sealed class MaskedBatch : IDisposable
{
    private readonly Device _device;
    private readonly Action<MaskedRows> _giveBack;
    private readonly int _rows;
    private readonly int _length;
    private readonly bool _isPadded;
    private MaskedRows? _values;
    private Tensor? _placed;

    internal MaskedBatch(MaskedRows values, Device device, Action<MaskedRows> giveBack)
    {
        (_values, _device, _giveBack) = (values, device, giveBack);
        (_rows, _length, _isPadded) = (values.Rows, values.Length, values.IsPadded);
        (Predicted, Tokens) = (values.Predicted, values.Tokens);
    }

    /// <summary>Tokens that have to be predicted.</summary>
    public int Predicted { get; }

    /// <summary>Tokens that go through the model, padding left out.</summary>
    public long Tokens { get; }

    /// <summary>[batch, n] int64: the token ids with the chosen ones replaced.</summary>
    public Tensor Ids => Part(0, _rows * _length).view(_rows, _length);

    /// <summary>[predicted] int64: where the chosen tokens are in the batch seen as one row, ascending.</summary>
    public Tensor Positions => Part(_rows * _length, Predicted);

    /// <summary>[predicted] int64: what the chosen tokens were.</summary>
    public Tensor Targets => Part((_rows * _length) + Predicted, Predicted);

    /// <summary>[batch, n] int64: 1 for a token, 0 for padding; null when there is no padding.</summary>
    public Tensor? AttentionMask => _isPadded ? Part((_rows * _length) + (2 * Predicted), _rows * _length).view(_rows, _length) : null;

    /// <summary>
    /// Brings the numbers to the device, in one transfer; the tensors are then views. What asks for a tensor does it, too.
    /// A transfer waits until a GPU has done what it was given before.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The batch was disposed.</exception>
    public void Place()
    {
        if (_placed is not null)
        {
            return;
        }

        ObjectDisposedException.ThrowIf(_values is null, this);
        var size = _rows * _length;
        var all = empty(size + (2L * Predicted) + (_isPadded ? size : 0), ScalarType.Int64);
        var room = MemoryMarshal.Cast<byte, long>(all.bytes);
        _values.Ids.CopyTo(room);
        _values.Positions[..Predicted].CopyTo(room[size..]);
        _values.Targets[..Predicted].CopyTo(room[(size + Predicted)..]);
        if (_isPadded)
        {
            _values.Keep.CopyTo(room[(size + (2 * Predicted))..]);
        }

        _placed = all;
        if (_device.type != TorchSharp.DeviceType.CPU)
        {
            _placed = all.to(_device);
            all.Dispose();
        }

        GiveBack();
    }

    /// <summary>Forgets the numbers; tensors that were asked for stay.</summary>
    public void Dispose()
    {
        _placed?.Dispose();
        GiveBack();
    }

    private Tensor Part(long start, long count)
    {
        Place();
        return _placed!.narrow(0, start, count);
    }

    private void GiveBack()
    {
        if (_values is { } values)
        {
            _values = null;
            _giveBack(values);
        }
    }
}

using TorchSharp.Interop;

namespace TorchSharp;

/// <summary>A number of any type, as operators take it: held as a 64-bit integer, a double or a boolean.</summary>
public sealed class Scalar : IDisposable
{
    private readonly torch.ScalarType _type;
    private readonly long _integer;
    private readonly double _real;
    private bool _disposed;

    internal Scalar(long value)
        : this(torch.ScalarType.Int64, value, value)
    {
    }

    internal Scalar(double value)
        : this(torch.ScalarType.Float64, double.IsFinite(value) ? (long)value : 0, value)
    {
    }

    internal Scalar(bool value)
        : this(torch.ScalarType.Bool, value ? 1 : 0, value ? 1 : 0)
    {
    }

    private Scalar(torch.ScalarType type, long integer, double real)
    {
        _type = type;
        _integer = integer;
        _real = real;
    }

    public torch.ScalarType Type
    {
        get
        {
            CheckAlive();
            return _type;
        }
    }

    internal long Integer
    {
        get
        {
            CheckAlive();
            return _integer;
        }
    }

    internal double Real
    {
        get
        {
            CheckAlive();
            return _real;
        }
    }

    public static implicit operator Scalar(byte value) => new((long)value);

    public static implicit operator Scalar(sbyte value) => new((long)value);

    public static implicit operator Scalar(short value) => new((long)value);

    public static implicit operator Scalar(int value) => new((long)value);

    public static implicit operator Scalar(long value) => new(value);

    public static implicit operator Scalar(Half value) => new((double)value);

    public static implicit operator Scalar(float value) => new((double)value);

    public static implicit operator Scalar(double value) => new(value);

    public static implicit operator Scalar(bool value) => new(value);

    public void Dispose() => _disposed = true;

    internal Argument ToArgument()
    {
        CheckAlive();
        return _type switch
        {
            torch.ScalarType.Int64 => _integer,
            torch.ScalarType.Bool => _integer != 0,
            _ => _real,
        };
    }

    private void CheckAlive()
    {
        if (_disposed)
        {
            throw new InvalidOperationException("Scalar invalid -- empty handle.");
        }
    }
}

/// <summary>Conversions between numbers and <see cref="Scalar"/>.</summary>
public static class ScalarExtensionMethods
{
    public static Scalar ToScalar(this byte value) => value;

    public static Scalar ToScalar(this sbyte value) => value;

    public static Scalar ToScalar(this short value) => value;

    public static Scalar ToScalar(this int value) => value;

    public static Scalar ToScalar(this long value) => value;

    public static Scalar ToScalar(this Half value) => value;

    public static Scalar ToScalar(this float value) => value;

    public static Scalar ToScalar(this double value) => value;

    public static Scalar ToScalar(this bool value) => value;

    public static byte ToByte(this Scalar value) => (byte)value.Integer;

    public static sbyte ToSByte(this Scalar value) => (sbyte)value.Integer;

    public static short ToInt16(this Scalar value) => (short)value.Integer;

    public static int ToInt32(this Scalar value) => (int)value.Integer;

    public static long ToInt64(this Scalar value) => value.Integer;

    public static Half ToHalf(this Scalar value) => (Half)value.Real;

    public static float ToSingle(this Scalar value) => (float)value.Real;

    public static double ToDouble(this Scalar value) => value.Real;

    public static bool ToBoolean(this Scalar value) => value.Real != 0;
}

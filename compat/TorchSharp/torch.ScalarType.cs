namespace TorchSharp;

public static partial class torch
{
    public static ScalarType @bool = ScalarType.Bool;
    public static ScalarType uint8 = ScalarType.Byte;
    public static ScalarType int8 = ScalarType.Int8;
    public static ScalarType int16 = ScalarType.Int16;
    public static ScalarType int32 = ScalarType.Int32;
    public static ScalarType int64 = ScalarType.Int64;
    public static ScalarType bfloat16 = ScalarType.BFloat16;
    public static ScalarType float16 = ScalarType.Float16;
    public static ScalarType float32 = ScalarType.Float32;
    public static ScalarType float64 = ScalarType.Float64;
    public static ScalarType @short = ScalarType.Int16;
    public static ScalarType @int = ScalarType.Int32;
    public static ScalarType @long = ScalarType.Int64;
    public static ScalarType half = ScalarType.Float16;
    public static ScalarType @float = ScalarType.Float32;
    public static ScalarType @double = ScalarType.Float64;

    private static ScalarType _defaultDtype = ScalarType.Float32;

    /// <summary>The types of elements; the numbers are libtorch's.</summary>
    public enum ScalarType : sbyte
    {
        Byte = 0,
        Int8 = 1,
        Int16 = 2,
        Int32 = 3,
        Int64 = 4,
        Float16 = 5,
        Float32 = 6,
        Float64 = 7,
        ComplexFloat32 = 9,
        ComplexFloat64 = 10,
        Bool = 11,
        QInt8 = 12,
        QUInt8 = 13,
        QInt32 = 14,
        BFloat16 = 15,
    }

    public static ScalarType get_default_dtype() => _defaultDtype;

    public static void set_default_dtype(ScalarType dtype) => _defaultDtype = is_floating_point(dtype)
        ? dtype
        : throw new ArgumentException("only floating-point types are supported as the default type");

    public static bool is_integral(ScalarType type) => type is ScalarType.Byte or ScalarType.Int8 or ScalarType.Int16
        or ScalarType.Int32 or ScalarType.Int64 or ScalarType.Bool;

    public static bool is_floating_point(ScalarType type) =>
        type is ScalarType.BFloat16 or ScalarType.Float16 or ScalarType.Float32 or ScalarType.Float64;

    public static bool is_complex(ScalarType type) => type is ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64;

    public static bool is_integral(Tensor t) => is_integral(t.dtype);

    public static bool is_floating_point(Tensor input) => input.is_floating_point();

    public static bool is_complex(Tensor input) => input.is_complex();

    public static FInfo finfo() => finfo(_defaultDtype);

    public static FInfo finfo(ScalarType dtype) => dtype switch
    {
        // bits, mantissa bits, smallest and largest exponent, decimal digits
        ScalarType.BFloat16 => FInfo.Of(16, 7, -126, 127, 2),
        ScalarType.Float16 => FInfo.Of(16, 10, -14, 15, 3),
        ScalarType.Float32 or ScalarType.ComplexFloat32 => FInfo.Of(32, 23, -126, 127, 6),
        ScalarType.Float64 or ScalarType.ComplexFloat64 => FInfo.Of(64, 52, -1022, 1023, 15),
        _ => throw new ArgumentException("'dtype' must be floating point or complex"),
    };

    /// <summary>Limits of a floating-point type.</summary>
    public struct FInfo
    {
        public int bits;
        public double eps;
        public double max;
        public double min;
        public double tiny;
        public double smallest_normal;
        public double resolution;

        internal static FInfo Of(int bits, int mantissa, int smallest, int largest, int digits)
        {
            double epsilon = Math.ScaleB(1, -mantissa);
            double max = Math.ScaleB(2 - epsilon, largest);
            double normal = Math.ScaleB(1, smallest);
            return new FInfo
            {
                bits = bits,
                eps = epsilon,
                max = max,
                min = -max,
                tiny = normal,
                smallest_normal = normal,
                resolution = Math.Pow(10, -digits),
            };
        }
    }
}

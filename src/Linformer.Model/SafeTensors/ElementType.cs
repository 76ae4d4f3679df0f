namespace Linformer.Model.SafeTensors;

/// <summary>The element types of a safetensors file; the names are those that the format uses.</summary>
public enum ElementType
{
    /// <summary>64-bit floating point.</summary>
    F64,

    /// <summary>32-bit floating point.</summary>
    F32,

    /// <summary>16-bit floating point (IEEE half).</summary>
    F16,

    /// <summary>16-bit brain floating point.</summary>
    BF16,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>16-bit signed integer.</summary>
    I16,

    /// <summary>8-bit signed integer.</summary>
    I8,

    /// <summary>8-bit unsigned integer.</summary>
    U8,

    /// <summary>A truth value in one byte, 0 or 1.</summary>
    BOOL,
}

/// <summary>Sizes and names of <see cref="ElementType"/>.</summary>
public static class ElementTypes
{
    private static readonly Dictionary<string, ElementType> ByName =
        Enum.GetValues<ElementType>().ToDictionary(type => type.ToString(), StringComparer.Ordinal);

    /// <summary>The names that a file may use, for messages.</summary>
    public static string Allowed { get; } = string.Join(", ", Enum.GetNames<ElementType>());

    /// <summary>The bytes that one element takes.</summary>
    /// <param name="type">The element type.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not a defined value.</exception>
    public static int Size(this ElementType type) => type switch
    {
        ElementType.F64 or ElementType.I64 => 8,
        ElementType.F32 or ElementType.I32 => 4,
        ElementType.F16 or ElementType.BF16 or ElementType.I16 => 2,
        ElementType.I8 or ElementType.U8 or ElementType.BOOL => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, $"Allowed are {Allowed}."),
    };

    /// <summary>Finds an element type by the format's name, such as <c>F32</c>; letter case matters.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The element type, when there is one.</param>
    public static bool TryParse(string name, out ElementType type) => ByName.TryGetValue(name, out type);

    /// <summary>
    /// The bytes of a tensor, or null when a dimension is negative or the number does not fit 63 bits.
    /// A scalar has an empty shape and one element.
    /// </summary>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions.</param>
    public static long? ByteLength(this ElementType type, IReadOnlyList<long> shape)
    {
        // Checked from the left, zeros included, as the reference implementation does:
        // [2^62, 4, 0] overflows although the product is zero.
        long bytes = 1;
        foreach (var dimension in shape.Append(type.Size()))
        {
            var product = (Int128)bytes * dimension;
            if (dimension < 0 || product > long.MaxValue)
            {
                return null;
            }

            bytes = (long)product;
        }

        return bytes;
    }
}

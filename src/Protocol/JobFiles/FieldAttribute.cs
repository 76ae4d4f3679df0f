namespace Linformer.Protocol;

/// <summary>
/// What a field of the job file may hold. Name and type come from the property, the default from its initial value,
/// the description from its summary.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class FieldAttribute : Attribute
{
    /// <summary>The word for what the machines settle.</summary>
    public const string Auto = "auto";

    /// <summary>What is counted, for the reference page.</summary>
    public string? Unit { get; init; }

    /// <summary>The default in words, where it is not a fixed value.</summary>
    public string? Default { get; init; }

    /// <summary>Least value.</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>Greatest value.</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>The value is greater than this.</summary>
    public double Above { get; init; } = double.NegativeInfinity;

    /// <summary>The value is less than this.</summary>
    public double Below { get; init; } = double.PositiveInfinity;

    /// <summary>Fewest elements of a list.</summary>
    public int MinCount { get; init; }

    /// <summary>Most elements of a list.</summary>
    public int MaxCount { get; init; } = int.MaxValue;

    /// <summary>Form of a text.</summary>
    public TextFormat Format { get; init; }

    /// <summary>Whether the machines may settle it: the word <c>auto</c> is allowed, and null in the record.</summary>
    public bool MayBeAuto { get; init; }

    /// <summary>Whether a number is in the range.</summary>
    public bool Contains(double value) => value >= Min && value <= Max && value > Above && value < Below;

    /// <summary>The range in words; empty where every number is allowed.</summary>
    public string Range()
    {
        var low = double.IsFinite(Min) ? $"{Number(Min)}" : double.IsFinite(Above) ? $"above {Number(Above)}" : null;
        var high = double.IsFinite(Max) ? $"{Number(Max)}" : double.IsFinite(Below) ? $"below {Number(Below)}" : null;
        return (low, high) switch
        {
            (null, null) => "",
            (_, null) => double.IsFinite(Min) ? $"{low} or more" : low,
            (null, _) => double.IsFinite(Max) ? $"at most {high}" : high,
            _ => double.IsFinite(Min) && double.IsFinite(Max)
                ? $"{low} to {high}"
                : $"{(double.IsFinite(Min) ? low + " or more" : low)}, {(double.IsFinite(Max) ? "at most " + high : high)}",
        };
    }

    private static string Number(double value) =>
        double.IsInteger(value) ? ((long)value).ToString("#,0") : value.ToString("R");
}

/// <summary>Form of a text in the job file.</summary>
internal enum TextFormat
{
    /// <summary>Not a text.</summary>
    None,

    /// <summary>A DNS label.</summary>
    Label,

    /// <summary>A path below the storage root.</summary>
    RelativePath,

    /// <summary>Any text without a line break.</summary>
    Line,

    /// <summary>The name of a preset.</summary>
    Preset,
}

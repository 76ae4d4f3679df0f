using Linformer.Model;
using Linformer.Model.Interchange;

namespace Linformer.Cli.Conversion;

/// <summary>What is to be converted, and how.</summary>
internal sealed record ConversionRequest
{
    /// <summary>The file or folder.</summary>
    public required string Source { get; init; }

    /// <summary>Its format.</summary>
    public required string From { get; init; }

    /// <summary>What to write.</summary>
    public required string To { get; init; }

    /// <summary>The format to write; null for a model's folder.</summary>
    public string? ToFormat { get; init; }

    /// <summary>A JSON file with the other project's arguments.</summary>
    public string? Options { get; init; }

    /// <summary>Whether to make a Linformer of a model with full attention.</summary>
    public bool Linear { get; init; }

    /// <summary>Its k; null for a quarter of n.</summary>
    public int? ProjectedLength { get; init; }

    /// <summary>How its E and F are shared.</summary>
    public ProjectionSharing Sharing { get; init; }

    /// <summary>How its E and F begin; null when it was not said.</summary>
    public ProjectionRule? Rule { get; init; }

    /// <summary>A file with text to look at.</summary>
    public string? Sample { get; init; }

    /// <summary>Another n.</summary>
    public int? Length { get; init; }

    /// <summary>Whether to replace what is there.</summary>
    public bool Force { get; init; }
}

/// <summary>What was written.</summary>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="HasTokenizer">Whether a tokenizer came with it.</param>
/// <param name="Notes">What the user should know.</param>
internal sealed record ConversionResult(long Parameters, bool HasTokenizer, IReadOnlyList<string> Notes);

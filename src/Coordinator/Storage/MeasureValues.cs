using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Linformer.Coordinator.Storage;

/// <summary>What an evaluation has measured beside the loss, by name. Equal if all names and values are.</summary>
/// <param name="values">The values; NaN and infinity are possible.</param>
public sealed class MeasureValues(IEnumerable<KeyValuePair<string, double>> values) : IEquatable<MeasureValues>
{
    /// <summary>The most names that are kept of an evaluation.</summary>
    public const int Most = 32;

    private const int LongestName = 64;

    private static readonly JsonSerializerOptions Options = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The values by name.</summary>
    public ImmutableSortedDictionary<string, double> Values { get; } = values.ToImmutableSortedDictionary(StringComparer.Ordinal);

    /// <summary>What a rank told, without names that are not possible; null if nothing is left.</summary>
    /// <param name="told">Names and values.</param>
    public static MeasureValues? OfTold(IEnumerable<KeyValuePair<string, double>> told)
    {
        var measures = new MeasureValues(told.Where(pair => pair.Key.Length is > 0 and <= LongestName && pair.Key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')).Take(Most));
        return measures.Values.IsEmpty ? null : measures;
    }

    /// <summary>Reads a column; null if it has none.</summary>
    /// <param name="column">What <see cref="ToColumn"/> wrote; null for nothing.</param>
    public static MeasureValues? OfColumn(string? column) =>
        column is null ? null : new MeasureValues(JsonSerializer.Deserialize<Dictionary<string, double>>(column, Options) ?? []);

    /// <summary>As text for a column.</summary>
    public string ToColumn() => JsonSerializer.Serialize(Values, Options);

    /// <inheritdoc/>
    public bool Equals(MeasureValues? other) => other is not null && Values.SequenceEqual(other.Values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as MeasureValues);

    /// <inheritdoc/>
    public override int GetHashCode() => Values.Aggregate(0, (hash, pair) => HashCode.Combine(hash, pair.Key, pair.Value));
}

using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage;

/// <summary>How values that SQLite has no type for are stored.</summary>
internal static class Columns
{
    // SQLite makes NULL of NaN, so NaN is stored as a text.
    private const string NotANumber = "NaN";

    /// <summary>A time as ticks of UTC.</summary>
    public static long ToColumn(this DateTimeOffset time) => time.UtcTicks;

    /// <summary>A number that may be NaN or missing.</summary>
    public static object? ToColumn(this double? number) => number is { } value ? value.ToColumn() : null;

    /// <summary>A number that may be NaN.</summary>
    public static object ToColumn(this double number) => double.IsNaN(number) ? NotANumber : number;

    /// <summary>Reads a time.</summary>
    public static DateTimeOffset Time(this SqliteDataReader reader, int column) => new(reader.GetInt64(column), TimeSpan.Zero);

    /// <summary>Reads a number that may be NaN or missing.</summary>
    public static double? Number(this SqliteDataReader reader, int column) => reader.GetValue(column) switch
    {
        double number => number,
        long number => number,
        string => double.NaN,
        _ => null,
    };
}

using System.Data.Common;

namespace Linformer.Coordinator.Storage;

/// <summary>How values that not every database has a type for are stored.</summary>
internal static class Columns
{
    /// <summary>A time as ticks of UTC.</summary>
    public static long ToColumn(this DateTimeOffset time) => time.UtcTicks;

    /// <summary>Reads a time.</summary>
    public static DateTimeOffset Time(this DbDataReader reader, int column) => new(reader.GetInt64(column), TimeSpan.Zero);

    /// <summary>Reads a number that may be NaN or missing. SQLite, which makes NULL of NaN, has a text for it.</summary>
    public static double? Number(this DbDataReader reader, int column) => reader.GetValue(column) switch
    {
        double number => number,
        long number => number,
        string => double.NaN,
        _ => null,
    };
}

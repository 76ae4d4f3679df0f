using System.Collections.Immutable;
using System.Globalization;

namespace Linformer.Coordinator.Rendezvous;

/// <summary>What the ranks of the newest generation have published, in order.</summary>
/// <param name="incarnation">Of the log; a cursor of another one begins anew.</param>
public sealed class RendezvousLog(long incarnation)
{
    /// <summary>The longest key, in characters.</summary>
    public const int LongestKey = 512;

    /// <summary>The largest value, in bytes.</summary>
    public const int LargestValue = 64 << 10;

    /// <summary>The most values of a generation.</summary>
    public const int MostEntries = 100_000;

    /// <summary>The most bytes of all values of a generation.</summary>
    public const long MostBytes = 64L << 20;

    private const int PageEntries = 1000;
    private const int PageBytes = 1 << 20;

    private readonly List<RendezvousEntry> _entries = [];
    private readonly Dictionary<string, RendezvousEntry> _newest = new(StringComparer.Ordinal);
    private (int Lineage, int Generation) _membership;
    private long _bytes;

    /// <summary>Adds a value; tells whether it is new.</summary>
    /// <param name="lineage">The rank's lineage.</param>
    /// <param name="generation">The rank's generation; a newer one than before drops all values.</param>
    /// <param name="entry">The value.</param>
    /// <exception cref="ArgumentException">The key or the value is too large, or there are too many.</exception>
    public bool Set(int lineage, int generation, RendezvousEntry entry)
    {
        Check(entry);
        var order = (lineage, generation).CompareTo(_membership);
        if (order < 0)
            return false;
        if (order > 0)
            Clear((lineage, generation));
        if (_newest.TryGetValue(entry.Key, out var known) && known.Value.AsSpan().SequenceEqual(entry.Value.AsSpan()))
            return false;
        if (_entries.Count >= MostEntries || _bytes + entry.Value.Length > MostBytes)
        {
            throw new ArgumentException(
                $"The rendezvous of generation {generation} is full: at most {MostEntries:#,0} values of together {MostBytes >> 20} MiB are kept.",
                nameof(entry));
        }
        _entries.Add(entry);
        _newest[entry.Key] = entry;
        _bytes += entry.Value.Length;
        return true;
    }

    /// <summary>The values of a generation after a cursor; none if there is none, or the generation is not the newest.</summary>
    public RendezvousPage Read(int lineage, int generation, string cursor)
    {
        var position = Position(cursor);
        var page = ImmutableArray.CreateBuilder<RendezvousEntry>();
        if ((lineage, generation) == _membership)
        {
            for (var bytes = 0; position < _entries.Count && page.Count < PageEntries && bytes < PageBytes; position++)
            {
                page.Add(_entries[position]);
                bytes += _entries[position].Value.Length;
            }
        }
        return new RendezvousPage(string.Create(CultureInfo.InvariantCulture, $"{incarnation}:{position}"), page.ToImmutable());
    }

    private static void Check(RendezvousEntry entry)
    {
        if (entry.Key.Length is 0 or > LongestKey)
            throw new ArgumentException($"A rendezvous key has {entry.Key.Length:#,0} characters; allowed are 1 to {LongestKey}.", nameof(entry));
        if (entry.Value.IsDefault || entry.Value.Length > LargestValue)
        {
            var length = entry.Value.IsDefault ? "no" : $"{entry.Value.Length:#,0}";
            throw new ArgumentException(
                $"The rendezvous value of '{entry.Key}' has {length} bytes; allowed are 0 to {LargestValue:#,0}.", nameof(entry));
        }
    }

    private void Clear((int Lineage, int Generation) membership)
    {
        _entries.Clear();
        _newest.Clear();
        _bytes = 0;
        _membership = membership;
    }

    private int Position(string cursor)
    {
        var parts = cursor.Split(':');
        return parts.Length == 2 && parts[0] == incarnation.ToString(CultureInfo.InvariantCulture)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var position)
            && position <= _entries.Count
                ? position
                : 0;
    }
}

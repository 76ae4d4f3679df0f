using System.Text.Json;

namespace Linformer.Chaos.Recovery;

/// <summary>A step as a rank of the peer told it.</summary>
internal sealed record ElasticEvent(long Step, int Rank, int World, int Process, double Time);

/// <summary>Follows the file in which the peer's ranks tell their steps.</summary>
internal sealed class ElasticEvents(string file)
{
    private readonly List<ElasticEvent> _all = [];
    private long _position;

    /// <summary>All so far, in the order in which they were written.</summary>
    public IReadOnlyList<ElasticEvent> All => _all;

    /// <summary>Reads what is new.</summary>
    public void Read()
    {
        if (!File.Exists(file))
            return;
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = _position;
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd();
        var whole = text[..(text.LastIndexOf('\n') + 1)];
        _position += whole.Length; // the lines are ASCII
        _all.AddRange(whole.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<ElasticEvent>(line, JsonSerializerOptions.Web)!));
    }

    /// <summary>The newest of a rank.</summary>
    public ElasticEvent? Newest(int rank) => _all.FindLast(item => item.Rank == rank);
}

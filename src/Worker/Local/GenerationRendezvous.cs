using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>
/// The rendezvous of a job's generations: a table for each, from the newest known one on. Values of one that is to come are kept,
/// since they may arrive before the news of it.
/// </summary>
internal sealed class GenerationRendezvous
{
    // Of those to come, since other machines are believed.
    private const int MostTables = 4;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, RendezvousTable> _tables = [];
    private int _first;

    /// <summary>Sets a value of a generation; one of a generation that is over is dropped.</summary>
    /// <exception cref="RankProtocolException">The key is too long, or the generation's table too large.</exception>
    public void Set(int generation, string key, byte[] value) => Table(generation)?.Set(key, value);

    /// <summary>Hands out a value, now or when it is set; never for a generation that is over.</summary>
    /// <exception cref="RankProtocolException">The key is too long, or too many wait.</exception>
    public void Get(int generation, string key, Action<byte[]> reply) => Table(generation)?.Get(key, reply);

    /// <summary>Drops the generations before one.</summary>
    /// <param name="generation">The first that is kept.</param>
    public void DropBefore(int generation)
    {
        lock (_gate)
        {
            _first = Math.Max(_first, generation);
            foreach (var old in _tables.Keys.Where(key => key < _first).ToList())
            {
                _tables.Remove(old);
            }
        }
    }

    private RendezvousTable? Table(int generation)
    {
        lock (_gate)
        {
            if (generation < _first)
            {
                return null;
            }

            if (!_tables.TryGetValue(generation, out var table))
            {
                _tables[generation] = table = new RendezvousTable();
                if (_tables.Count > MostTables)
                {
                    _tables.Remove(_tables.Keys.First());
                }
            }

            return table;
        }
    }
}

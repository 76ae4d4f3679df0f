using Linformer.Data.Shards;

namespace Linformer.Data;

/// <summary>The tokens of all shards of a corpus as one stream, without separators. Safe for many threads.</summary>
internal sealed class TokenStream : IDisposable
{
    private readonly List<ShardReader> _shards = [];
    private readonly long[] _starts;

    public TokenStream(string folder, CorpusManifest manifest)
    {
        try
        {
            foreach (var shard in manifest.Shards)
            {
                _shards.Add(ShardReader.Open(folder, shard, manifest.VocabularySize));
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        _starts = new long[_shards.Count];
        for (var i = 0; i < _shards.Count; i++)
        {
            _starts[i] = Length;
            Length += _shards[i].Tokens;
        }
    }

    public long Length { get; }

    /// <summary>How often tokens were read from a shard, and how many in all.</summary>
    public (long Reads, long Tokens) ReadSoFar => (_shards.Sum(shard => shard.ReadSoFar.Reads), _shards.Sum(shard => shard.ReadSoFar.Tokens));

    /// <summary>Where the documents that end in a shard end in the stream.</summary>
    /// <param name="shard">The shard's number.</param>
    public long[] ReadEnds(int shard)
    {
        var (ends, _) = _shards[shard].ReadDocuments();
        return [.. ends.Select(end => _starts[shard] + end)];
    }

    /// <summary>Where each document ends in the stream, and its hash. Text after the last end is a document, too.</summary>
    public (long[] Ends, ulong[] Hashes) ReadDocuments()
    {
        var ends = new List<long>();
        var hashes = new List<ulong>();
        for (var i = 0; i < _shards.Count; i++)
        {
            var (shardEnds, shardHashes) = _shards[i].ReadDocuments();
            ends.AddRange(shardEnds.Select(end => _starts[i] + end));
            hashes.AddRange(shardHashes);
        }

        if (ends.Count == 0 || ends[^1] < Length)
        {
            ends.Add(Length);
            hashes.Add(0);
        }

        return ([.. ends], [.. hashes]);
    }

    public void Read(long position, Span<int> tokens)
    {
        if (tokens.IsEmpty)
        {
            return;
        }

        var shard = Array.BinarySearch(_starts, position);
        shard = shard >= 0 ? shard : ~shard - 1;
        for (; !tokens.IsEmpty; shard++)
        {
            var first = position - _starts[shard];
            var part = tokens[..(int)Math.Min(tokens.Length, Math.Max(0, _shards[shard].Tokens - first))];
            if (!part.IsEmpty)
            {
                _shards[shard].Read(first, part);
                tokens = tokens[part.Length..];
                position += part.Length;
            }
        }
    }

    public void Dispose() => _shards.ForEach(shard => shard.Dispose());
}

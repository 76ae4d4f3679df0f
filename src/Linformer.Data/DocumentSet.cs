using Linformer.Data.Shards;

namespace Linformer.Data;

/// <summary>The documents of a prepared corpus, one by one, in the order of the files that they are from. For one thread.</summary>
/// <remarks>Memory: 8 bytes for each document of one shard.</remarks>
public sealed class DocumentSet : IDisposable
{
    private readonly TokenStream _stream;

    // The number of the first document that ends in a shard; behind the last one their count.
    private readonly long[] _firsts;
    private (int Shard, long[] Ends) _kept = (-1, []);

    private DocumentSet(TokenStream stream, CorpusManifest manifest)
    {
        (_stream, Manifest) = (stream, manifest);
        _firsts = new long[manifest.Shards.Count + 1];
        for (var i = 0; i < manifest.Shards.Count; i++)
        {
            _firsts[i + 1] = _firsts[i] + manifest.Shards[i].Documents;
        }
    }

    /// <summary>What the folder holds.</summary>
    public CorpusManifest Manifest { get; }

    /// <summary>How many documents there are.</summary>
    public long Count => _firsts[^1];

    /// <summary>Opens a folder of shards.</summary>
    /// <param name="folder">The folder with the shards and their manifest.</param>
    /// <exception cref="BadDataException">The manifest or a shard is missing, damaged or cut off; or the corpus consists of labelled examples.</exception>
    public static DocumentSet Open(string folder)
    {
        var manifest = CorpusManifest.Load(folder);
        return manifest.Examples is not null
            ? throw new BadDataException("corpus.examples is given, so the corpus consists of labelled examples; documents are read as text. Leave it out.")
            : new DocumentSet(new TokenStream(folder, manifest), manifest);
    }

    /// <summary>Reads the tokens of documents that follow one another.</summary>
    /// <param name="first">The number of the first one, from 0 on.</param>
    /// <param name="count">How many; all must exist.</param>
    /// <exception cref="BadDataException">A shard cannot be read or is damaged.</exception>
    public IEnumerable<int[]> Read(long first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + count, Count);
        var start = first == 0 ? 0 : EndOf(first - 1);
        for (var document = first; document < first + count; document++)
        {
            var end = EndOf(document);
            var tokens = new int[end - start];
            _stream.Read(start, tokens);
            yield return tokens;
            start = end;
        }
    }

    /// <summary>Closes the shards.</summary>
    public void Dispose() => _stream.Dispose();

    private long EndOf(long document)
    {
        if (_kept.Shard < 0 || document < _firsts[_kept.Shard] || document >= _firsts[_kept.Shard + 1])
        {
            // Shards in which no document ends have the same number as the next.
            var shard = Array.BinarySearch(_firsts, document);
            shard = shard >= 0 ? shard : ~shard - 1;
            while (_firsts[shard + 1] <= document)
            {
                shard++;
            }

            _kept = (shard, _stream.ReadEnds(shard));
        }

        return _kept.Ends[document - _firsts[_kept.Shard]];
    }
}

using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Labelled;

/// <summary>
/// A prepared corpus of examples whose label is a text: pairs of a source and its target. Held out are the files that the corpus's settings
/// name, or a share of the pairs, chosen by a hash of their sources: equal sources are always on the same side.
/// </summary>
public sealed class PairDataset : IDisposable
{
    private readonly TokenStream _stream;

    private PairDataset(TokenStream stream, int mark, PairSet training, PairSet heldOut) =>
        (_stream, Mark, Training, HeldOut) = (stream, mark, training, heldOut);

    /// <summary>The token that stands where a text begins and ends; no text gives it.</summary>
    public int Mark { get; }

    /// <summary>The pairs to train on.</summary>
    public PairSet Training { get; }

    /// <summary>The held-out pairs.</summary>
    public PairSet HeldOut { get; }

    /// <summary>Opens a folder of shards. Reads all of it once, and keeps 16 bytes for each pair.</summary>
    /// <param name="folder">The folder with the shards and their manifest.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="heldOut">The share of the pairs to hold out where no files are named, from 0 to 0.5.</param>
    /// <exception cref="BadDataException">The folder is missing, damaged, or not one of examples; or an argument is out of range.</exception>
    /// <exception cref="IOException">A shard cannot be read now.</exception>
    public static PairDataset Open(string folder, ITokenizer tokenizer, double heldOut)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (heldOut is not (>= 0 and <= 0.5))
        {
            throw new BadDataException($"corpus.heldOut is {heldOut}; allowed is 0 to 0.5.");
        }

        return Open(folder, tokenizer, hash => hash < heldOut * ulong.MaxValue);
    }

    /// <summary>Opens a folder of shards to measure a model on all of it: every pair is held out.</summary>
    /// <param name="folder">The folder with the shards and their manifest.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <exception cref="BadDataException">The folder is missing, damaged, or not one of examples.</exception>
    /// <exception cref="IOException">A shard cannot be read now.</exception>
    public static PairDataset OpenHeldOut(string folder, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Open(folder, tokenizer, _ => true);
    }

    /// <summary>Closes the shards.</summary>
    public void Dispose() => _stream.Dispose();

    // Which pairs are held out is asked where the corpus's settings name no files of them.
    private static PairDataset Open(string folder, ITokenizer tokenizer, Func<ulong, bool> isHeldOut)
    {
        var manifest = CorpusManifest.Load(folder);
        if (manifest.Examples is null)
        {
            throw new BadDataException($"The corpus in {folder} is text without pairs; corpus.examples says where sources (text) and targets (label) are.");
        }

        var mark = ExampleTokens.SeparatorOf(tokenizer.Special);
        var stream = new TokenStream(folder, manifest);
        try
        {
            var firstHeldOut = manifest.FirstHeldOutShard is { } shard ? manifest.Shards.Take(shard).Sum(info => info.Documents) : (long?)null;
            var sides = Scan(stream, mark).ToLookup(
                pair => firstHeldOut is { } first ? pair.Number >= first : isHeldOut(pair.Hash), pair => pair.Place);
            return new PairDataset(stream, mark, new PairSet(stream, [.. sides[false]]), new PairSet(stream, [.. sides[true]]));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    // A document is the target, the mark, the source.
    private static IEnumerable<(long Number, ulong Hash, PairSet.Place Place)> Scan(TokenStream stream, int mark)
    {
        var (ends, _) = stream.ReadDocuments();
        var (start, number, tokens) = (0L, 0L, Array.Empty<int>());
        foreach (var end in ends)
        {
            var length = checked((int)(end - start));
            if (tokens.Length < length)
            {
                tokens = new int[Math.Max(length, 1024)];
            }

            stream.Read(start, tokens.AsSpan(0, length));
            var target = Array.IndexOf(tokens, mark, 0, length);
            if (target < 0)
            {
                throw new BadDataException($"Pair {number} of the corpus has no target: its shards are damaged. Delete their folder to have them made again.");
            }

            var hash = DocumentHash.Empty;
            for (var i = target + 1; i < length; i++)
            {
                hash = DocumentHash.Add(hash, tokens[i]);
            }

            yield return (number++, DocumentHash.Finish(hash), new PairSet.Place(start, target, length - target - 1));
            start = end;
        }
    }
}

/// <summary>Pairs to train on, or held out. Safe for many threads.</summary>
public sealed class PairSet
{
    private readonly TokenStream _stream;
    private readonly Place[] _places;

    internal PairSet(TokenStream stream, Place[] places) => (_stream, _places) = (stream, places);

    /// <summary>Pairs.</summary>
    public long Count => _places.Length;

    /// <summary>Reads a pair.</summary>
    /// <param name="index">The pair, from 0 to <see cref="Count"/> - 1.</param>
    /// <returns>The tokens of source and target, without special tokens.</returns>
    /// <exception cref="BadDataException">A shard is damaged.</exception>
    /// <exception cref="IOException">A shard cannot be read.</exception>
    public (int[] Source, int[] Target) Read(long index)
    {
        var place = _places[index];
        var (target, source) = (new int[place.Target], new int[place.Source]);
        _stream.Read(place.Start, target);
        _stream.Read(place.Start + place.Target + 1, source);
        return (source, target);
    }

    /// <summary>The first pair whose source or target has more tokens than there may be.</summary>
    /// <param name="most">The most tokens.</param>
    /// <returns>Its number and its tokens; null if there is none.</returns>
    public (long Index, int Tokens)? FirstLongerThan(int most)
    {
        var index = Array.FindIndex(_places, place => Math.Max(place.Source, place.Target) > most);
        return index < 0 ? null : (index, Math.Max(_places[index].Source, _places[index].Target));
    }

    /// <summary>Where a pair is in the stream of tokens: the target, the mark, the source.</summary>
    internal readonly record struct Place(long Start, int Target, int Source);
}

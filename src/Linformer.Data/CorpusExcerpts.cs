using Linformer.Data.Corpora;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;
using Linformer.Model.Files;

namespace Linformer.Data;

/// <summary>
/// A prepared corpus for whoever wants to look into it: any of its tokens, and the tokenizer that makes text of them. Nothing outside
/// the storage root is read, and no more than what is asked for. Safe for many threads.
/// </summary>
public sealed class CorpusExcerpts
{
    // Of a million tokens, the most that a tokenizer has here, a file has some 60 MB.
    private const long LargestFile = 256L << 20;

    private readonly string _root;
    private readonly string _relative;
    private readonly string _folder;
    private readonly long[] _starts;

    private CorpusExcerpts(string root, string relative, string folder, CorpusManifest manifest, ITokenizer tokenizer)
    {
        (_root, _relative, _folder, Manifest, Tokenizer) = (root, relative, folder, manifest, tokenizer);
        _starts = new long[manifest.Shards.Count];
        for (var i = 1; i < _starts.Length; i++)
        {
            _starts[i] = _starts[i - 1] + manifest.Shards[i - 1].Tokens;
        }
    }

    /// <summary>What the corpus consists of.</summary>
    public CorpusManifest Manifest { get; }

    /// <summary>Its tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Reads the manifest and the tokenizer of a corpus.</summary>
    /// <param name="root">The storage root.</param>
    /// <param name="folder">The corpus's folder, relative to it.</param>
    /// <exception cref="BadDataException">A file is missing, damaged, or does not belong to the others.</exception>
    /// <exception cref="PathEscapeException">A link leads out of the storage root.</exception>
    /// <exception cref="IOException">The system cannot read a file now.</exception>
    public static CorpusExcerpts Open(string root, string folder)
    {
        CheckSmall(root, folder, CorpusManifest.FileName);
        CheckSmall(root, folder, CorpusPreparation.TokenizerFileName);
        var resolved = ConfinedPath.Resolve(root, folder);
        var manifest = CorpusManifest.Load(resolved);
        var tokenizer = TokenizerFile.Load(Path.Combine(resolved, CorpusPreparation.TokenizerFileName));
        return tokenizer.Sha256 == manifest.TokenizerSha256 && tokenizer.VocabularySize == manifest.VocabularySize
            ? new CorpusExcerpts(root, folder, resolved, manifest, tokenizer)
            : throw new BadDataException($"The tokenizer in {resolved} is not the one that the shards were made with: it was altered.");
    }

    /// <summary>Reads tokens that follow each other. Documents follow each other without a mark between them.</summary>
    /// <param name="first">The number of the first, from 0.</param>
    /// <param name="count">How many; fewer come at the corpus's end.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    /// <exception cref="BadDataException">A shard is missing or damaged.</exception>
    /// <exception cref="PathEscapeException">A link leads out of the storage root.</exception>
    /// <exception cref="IOException">The system cannot read a shard now.</exception>
    public int[] Read(long first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first, Manifest.Tokens);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var tokens = new int[Math.Min(count, Manifest.Tokens - first)];
        var rest = tokens.AsSpan();
        var shard = Array.BinarySearch(_starts, first);
        for (shard = shard >= 0 ? shard : ~shard - 1; !rest.IsEmpty; shard++)
        {
            var info = Manifest.Shards[shard];
            var place = first - _starts[shard];
            var part = rest[..(int)Math.Min(rest.Length, Math.Max(0, info.Tokens - place))];
            if (!part.IsEmpty)
            {
                Check(_root, _relative, info.File);
                using var reader = ShardReader.Open(_folder, info, Manifest.VocabularySize);
                reader.Read(place, part);
                rest = rest[part.Length..];
                first += part.Length;
            }
        }

        return tokens;
    }

    private static void Check(string root, string folder, string name)
    {
        var path = ConfinedPath.Resolve(root, $"{folder}/{name}");

        // To open a pipe waits for somebody who writes, which may be for ever. What is missing is told by who opens it.
        if (FileKind.Of(path) is { } kind && kind != FileKind.Regular)
        {
            throw new BadDataException($"{path} is a {kind}, not a regular file.");
        }
    }

    private static void CheckSmall(string root, string folder, string name)
    {
        Check(root, folder, name);
        var file = new FileInfo(ConfinedPath.Resolve(root, $"{folder}/{name}"));
        if (file.Exists && file.Length > LargestFile)
        {
            throw new BadDataException($"{file.FullName} has {file.Length >> 20} MiB; at most {LargestFile >> 20} are read.");
        }
    }
}

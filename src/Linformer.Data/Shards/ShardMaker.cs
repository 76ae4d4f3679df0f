using System.Runtime.InteropServices;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model.Files;

namespace Linformer.Data.Shards;

/// <summary>Makes the shards of a plan, each independently of the others.</summary>
public static class ShardMaker
{
    /// <summary>Makes one shard, or finds it made. It appears under its name only when it is whole.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="index">The shard's number.</param>
    /// <param name="root">The storage root that the plan's files lie under.</param>
    /// <param name="tokenizer">The plan's tokenizer.</param>
    /// <param name="folder">The folder for the shards; it must exist.</param>
    /// <param name="consumed">Told how many bytes of the corpus were read, each time that some were; from one thread.</param>
    /// <param name="cancellationToken">Stops the work; nothing half-made stays.</param>
    /// <returns>The shard's counts and hash: the same whoever made it.</returns>
    /// <exception cref="BadDataException">A file is bad, or changed in size since the plan; or the tokenizer is another.</exception>
    /// <exception cref="IOException">The shard cannot be written, for example because the disk is full.</exception>
    public static ShardInfo Make(
        CorpusPlan plan, int index, string root, ITokenizer tokenizer, string folder, Action<long>? consumed = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.Sha256 != plan.TokenizerSha256)
        {
            throw new BadDataException($"The tokenizer has the SHA-256 {tokenizer.Sha256}, but the corpus was planned with {plan.TokenizerSha256}.");
        }

        if (tokenizer.VocabularySize != plan.VocabularySize)
        {
            throw new BadDataException($"The tokenizer has {tokenizer.VocabularySize} ids, but the corpus was planned for {plan.VocabularySize}.");
        }

        var name = CorpusPlan.ShardName(index);
        var path = Path.Combine(folder, name);
        if (TryReuse(path, name, plan) is { } made)
        {
            consumed?.Invoke(plan.Shards[index].Sum(segment => segment.End - segment.Start));
            return made;
        }

        ShardInfo? info = null;
        AtomicFile.Write(path, stream =>
        {
            using var writer = new ShardWriter(stream, plan.VocabularySize);
            var tokens = new List<int>();
            foreach (var segment in plan.Shards[index])
            {
                var file = plan.FileOf(segment, root);
                if (plan.Examples is { } examples)
                {
                    ExampleTokens.Write(ExampleReader.Read(file, examples, segment.Start, segment.End, consumed), tokenizer, writer, cancellationToken);
                    continue;
                }

                foreach (var chunk in CorpusReader.Read(file, plan.Separator, segment.Start, segment.End, consumed))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    tokens.Clear();
                    tokenizer.Encode(chunk.Utf8.Span, tokens, continues: !chunk.StartsDocument);
                    writer.Add(CollectionsMarshal.AsSpan(tokens));
                    if (chunk.EndsDocument)
                    {
                        writer.EndDocument();
                    }
                }
            }

            info = writer.Finish(name);
        });
        return info!;
    }

    /// <summary>Finds a shard that was made.</summary>
    /// <exception cref="FileNotFoundException">It was not made.</exception>
    /// <exception cref="BadDataException">It is damaged.</exception>
    internal static ShardInfo Find(CorpusPlan plan, int index, string folder)
    {
        var name = CorpusPlan.ShardName(index);
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: is missing, so the corpus cannot be finished.", path);
        }

        using var reader = ShardReader.Open(path, plan.VocabularySize);
        return reader.Info(name);
    }

    // A shard from an earlier attempt at the same plan, for example before a restart. What is not whole is made again.
    private static ShardInfo? TryReuse(string path, string name, CorpusPlan plan)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using var reader = ShardReader.Open(path, plan.VocabularySize);
            reader.Verify();
            return reader.Info(name);
        }
        catch (Exception e) when (e is BadDataException or IOException)
        {
            // It is made again.
            return null;
        }
    }
}

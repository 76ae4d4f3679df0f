using System.Security.Cryptography;
using Linformer.Data.Shards;

namespace Linformer.Data.Tests.Shards;

/// <summary>
/// Writes shards whose tokens count up from a first number: an independent writer of the documented layout, of which the reader
/// is then tested.
/// </summary>
public static class NumberedShards
{
    public static void Write(string folder, int first, int[] documentLengths, int shards)
    {
        var total = documentLengths.Sum();
        var vocabulary = Math.Max(65_537, first + total); // four bytes per token
        var ends = documentLengths.Aggregate(new List<int> { 0 }, (list, length) => [.. list, list[^1] + length]).Skip(1).ToArray();
        var infos = new List<ShardInfo>();
        for (var i = 0; i < shards; i++)
        {
            // Bounds anywhere, also within documents. A document that ends at a bound ends in the earlier shard.
            var (from, to) = ((int)((long)total * i / shards), (int)((long)total * (i + 1) / shards));
            infos.Add(WriteShard(folder, $"shard-{i:00000}.tokens", vocabulary, first + from, to - from, [.. ends.Where(end => end > from && end <= to).Select(end => end - from)]));
        }

        new CorpusManifest(1, "fingerprint", "tokenizer", vocabulary, null, ends.Length, total, [], infos).Save(folder);
    }

    private static ShardInfo WriteShard(string folder, string name, int vocabulary, int first, int count, int[] ends)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("LINTOKEN"u8);
        writer.Write(1);
        writer.Write(4);
        writer.Write(vocabulary);
        writer.Write(new byte[12]);
        for (var i = 0; i < count; i++)
        {
            writer.Write(first + i);
        }

        foreach (var end in ends)
        {
            writer.Write((long)end);
        }

        foreach (var end in ends)
        {
            writer.Write(SHA256.HashData(BitConverter.GetBytes(first + end)).AsSpan(0, 8));
        }

        writer.Write((long)count);
        writer.Write((long)ends.Length);
        var hash = SHA256.HashData(bytes.ToArray());
        writer.Write(hash);
        File.WriteAllBytes(Path.Combine(folder, name), bytes.ToArray());
        return new ShardInfo(name, count, ends.Length, bytes.Length, Convert.ToHexStringLower(hash));
    }
}

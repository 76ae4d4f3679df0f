using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Linformer.Data.Corpora;
using Linformer.Data.Shards;
using Linformer.Fuzzing;
using Xunit.Abstractions;

namespace Linformer.Data.Tests.Fuzz;

/// <summary>Corpora, and what is made of them, damaged.</summary>
public sealed class CorpusFuzzTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string[] Patterns = ["texts/*.txt"];

    private readonly TestFolder _folder = new();

    [Theory]
    [InlineData("text.txt", null)]
    [InlineData("text.txt", "")]
    [InlineData("text.txt", "---")]
    [InlineData("text.jsonl", null)]
    [InlineData("text.txt.gz", "")]
    [InlineData("text.jsonl.gz", null)]
    public void Corpus_files_are_read_or_refused(string name, string? separator)
    {
        byte[][] contents = name.Contains("jsonl", StringComparison.Ordinal)
            ? ["{\"text\":\"one two\"}\n{\"id\":1,\"text\":\"three \\u2603\",\"more\":{\"text\":2}}\n\n"u8.ToArray(), "{\"a\":[[[]]],\"text\":\"\"}\r\n"u8.ToArray()]
            : ["one two\n\nthree four\n---\nfive ☃ six\n"u8.ToArray(), "\ufeffa\r\n\r\nb\n  ---  \nc"u8.ToArray()];
        new Fuzzer
        {
            Name = $"corpus {name} {separator}",
            Corpus = name.EndsWith(".gz", StringComparison.Ordinal) ? [.. contents.Select(TestFolder.Gzip)] : contents,
            Dictionary = ["\"text\":", "\n", "\n\n", "---\n", "{\"text\":\"x\"}\n", "\u001f\u008b"],
            Cases = 300,
            // The window of a megabyte comes from a pool, or not; gzip gives a thousand times its size at most.
            AllocationBase = 8 << 20,
            AllocationPerByte = 4200,
            MayThrow = e => e is BadDataException,
        }.Run(input => ReadAll(name, separator, input), output);
    }

    [Fact]
    public void Shards_are_read_or_refused_also_when_their_hashes_are_right()
    {
        var (folder, manifest) = Prepare();
        var shard = Path.Combine(folder, manifest.Shards[0].File);
        new Fuzzer
        {
            Name = "shard",
            Corpus = [File.ReadAllBytes(shard)],
            Dictionary = ["LINTOKEN"],
            Cases = 250,
            MayThrow = e => e is BadDataException,
        }.Run(
            input =>
            {
                File.WriteAllBytes(shard, input);
                var damaged = Described(manifest, input);
                damaged.Save(folder);
                CorpusManifest.Load(folder).Verify(folder);
                using var dataset = SequenceDataset.Open(folder, 16, 0.1, 2);
                var tokens = new int[16];
                for (var i = 0L; i < Math.Min(dataset.Training.Count, 50); i++)
                {
                    dataset.Training.Read(i, tokens);
                }
            },
            output);
    }

    [Fact]
    public void Manifests_are_read_or_refused()
    {
        var (folder, _) = Prepare();
        var path = Path.Combine(folder, CorpusManifest.FileName);
        new Fuzzer
        {
            Name = "manifest",
            Corpus = [File.ReadAllBytes(path)],
            Dictionary = ["null", "\"shards\":[", "null,", "\"file\":\"\\u0000\",", "\"tokens\":9223372036854775807,", "{\"file\":\"a\",\"tokens\":9223372036854775807,\"documents\":0,\"bytes\":0,\"sha256\":\"\"},", "\"formatVersion\":1,"],
            Cases = 400,
            MayThrow = e => e is BadDataException,
        }.Run(
            input =>
            {
                File.WriteAllBytes(path, input);
                CorpusManifest.Load(folder).Verify(folder);
                SequenceDataset.Open(folder, 16, 0.1, 2).Dispose();
            },
            output);
    }

    [Fact]
    public void Plans_are_followed_or_refused_also_when_their_fingerprints_are_right()
    {
        var (folder, manifest) = Prepare();
        var path = Path.Combine(folder, CorpusPlan.FileName);
        var good = File.ReadAllBytes(path);
        foreach (var shard in manifest.Shards)
        {
            File.Delete(Path.Combine(folder, shard.File));
        }

        new Fuzzer
        {
            Name = "plan",
            Corpus = [good],
            Dictionary = ["null,", "[],", "\"file\":7,", "\"file\":-1,", "\"start\":-9223372036854775808,", "\"end\":9223372036854775807,", "{\"file\":0,\"start\":0,\"end\":9223372036854775807},", "\"path\":\"../x.txt\",", "\"separator\":\"\\n\","],
            Cases = 400,
            // The tokenizer is read and used each time.
            AllocationBase = 32 << 20,
            MayThrow = e => e is BadDataException,
        }.Run(
            input =>
            {
                input = WithFingerprint(input, out var fingerprint);
                File.WriteAllBytes(path, input);
                try
                {
                    CorpusPreparation.MakeShards(folder, fingerprint, _folder.Path, 0, 1);
                    CorpusPreparation.Finish(folder, fingerprint);
                }
                catch (FileNotFoundException e) when (e.Message.Contains("so the corpus cannot be finished", StringComparison.Ordinal))
                {
                    // Only the first shard was made.
                }
                finally
                {
                    foreach (var made in Directory.GetFiles(folder, "*.tokens"))
                    {
                        File.Delete(made);
                    }
                }
            },
            output);
    }

    public void Dispose() => _folder.Dispose();

    private void ReadAll(string name, string? separator, byte[] input)
    {
        _folder.Write(name, input);
        var file = CorpusFiles.Resolve(_folder.Path, [name])[0];
        foreach (var (start, end) in ((long, long)[])[(0, long.MaxValue), (0, input.Length / 2), (input.Length / 2, input.Length)])
        {
            foreach (var chunk in CorpusReader.Read(file, separator, start, end))
            {
                _ = chunk.Utf8.Length;
            }
        }
    }

    private (string Folder, CorpusManifest Manifest) Prepare()
    {
        _folder.Write("texts/a.txt", SomeText.Make(300, 1));
        _folder.Write("texts/b.txt", SomeText.Make(300, 2));
        SomeTokenizer.Make().Save(_folder.At("tokenizer.json"));
        var settings = new CorpusSettings { Files = Patterns, TokenizerFile = "tokenizer.json", Separator = "", ShardBytes = 700 };
        var prepared = CorpusPreparation.Prepare(settings, _folder.Path, _folder.At("cache"));
        return (prepared.Folder, prepared.Manifest);
    }

    // As one who can write to the folder would make it.
    private static CorpusManifest Described(CorpusManifest manifest, byte[] shard)
    {
        if (shard.Length < 80)
        {
            return manifest;
        }

        SHA256.HashData(shard.AsSpan(0, shard.Length - 32), shard.AsSpan(shard.Length - 32));
        var tokens = BitConverter.ToInt64(shard, shard.Length - 48);
        var info = manifest.Shards[0] with
        {
            Tokens = tokens,
            Documents = BitConverter.ToInt64(shard, shard.Length - 40),
            Bytes = shard.Length,
            Sha256 = Convert.ToHexStringLower(shard.AsSpan(shard.Length - 32)),
        };
        return manifest with { Shards = [info, .. manifest.Shards.Skip(1)], Tokens = unchecked(manifest.Tokens - manifest.Shards[0].Tokens + tokens) };
    }

    private static byte[] WithFingerprint(byte[] plan, out string fingerprint)
    {
        fingerprint = new string('0', 64);
        try
        {
            var json = JsonNode.Parse(plan)!.AsObject();
            var content = new JsonObject
            {
                ["FormatVersion"] = 1,
                ["Sha256"] = json["tokenizerSha256"]!.DeepClone(),
                ["Separator"] = json["separator"]?.DeepClone(),
                ["Files"] = new JsonArray([.. json["files"]!.AsArray().Select(file => new JsonObject { ["Sha256"] = file!["sha256"]!.DeepClone(), ["Bytes"] = (long)file["bytes"]!, ["Kind"] = "Text" })]),
                ["Shards"] = new JsonArray([.. json["shards"]!.AsArray().Select(shard => shard is null ? null : new JsonArray([.. shard.AsArray().Select(part => part is null ? null : (JsonNode)new JsonObject { ["File"] = (int)part["file"]!, ["Start"] = (long)part["start"]!, ["End"] = (long)part["end"]! })]))]),
            };
            fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content.ToJsonString())));
            json["fingerprint"] = fingerprint;
            return Encoding.UTF8.GetBytes(json.ToJsonString());
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException or ArgumentException or NullReferenceException or FormatException or OverflowException)
        {
            return plan;
        }
    }
}

using System.Diagnostics;
using Linformer.Data.Corpora;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Shards;

public sealed class ShardTests : IDisposable
{
    private readonly TestFolder _root = new();
    private readonly ByteBpeTokenizer _tokenizer = SomeTokenizer.Make();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void The_plan_covers_each_byte_once()
    {
        PlannedFile[] files = [new("a.txt", 1000, "aa"), new("b.txt.gz", 500, "bb"), new("c.txt", 0, "cc"), new("d.jsonl", 250, "dd")];
        var plan = CorpusPlan.Create(files, _tokenizer, null, shardBytes: 300);

        plan.Shards.Count.ShouldBeGreaterThan(3);
        for (var i = 0; i < files.Length; i++)
        {
            var parts = plan.Shards.SelectMany(shard => shard).Where(part => part.File == i).ToArray();
            parts.Zip(parts.Skip(1)).ShouldAllBe(pair => pair.First.End == pair.Second.Start);
            parts.Sum(part => part.End - part.Start).ShouldBe(files[i].Bytes);
            parts.Take(1).ShouldAllBe(part => part.Start == 0);
        }

        plan.Shards.SelectMany(shard => shard).Count(part => part.File == 1).ShouldBe(1); // gzip is not cut
    }

    [Fact]
    public void The_fingerprint_depends_on_content_and_settings_only()
    {
        PlannedFile[] files = [new("a.txt", 1000, "aa")];
        var fingerprint = CorpusPlan.Create(files, _tokenizer, null, 300).Fingerprint;
        CorpusPlan.Create([new("moved/b.txt", 1000, "aa")], _tokenizer, null, 300).Fingerprint.ShouldBe(fingerprint);
        string[] others =
        [
            CorpusPlan.Create([new("a.txt", 1000, "ab")], _tokenizer, null, 300).Fingerprint,
            CorpusPlan.Create([new("a.jsonl", 1000, "aa")], _tokenizer, null, 300).Fingerprint,
            CorpusPlan.Create(files, _tokenizer, string.Empty, 300).Fingerprint,
            CorpusPlan.Create(files, _tokenizer, null, 301).Fingerprint,
            CorpusPlan.Create(files, new ByteBpeTrainer(300).Train(), null, 300).Fingerprint,
        ];
        others.Append(fingerprint).Distinct().Count().ShouldBe(others.Length + 1);
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(10_000)]
    [InlineData(1_000_000)]
    public void Shards_hold_the_tokens_and_documents_of_the_corpus_however_it_is_cut(int shardBytes)
    {
        var texts = WriteCorpus();
        var folder = Make(shardBytes, out var manifest);

        manifest.Documents.ShouldBe(texts.Length);
        manifest.Shards.Count.ShouldBe(CorpusPlan.Create(manifest.Files, _tokenizer, null, shardBytes).Shards.Count);
        const int Separator = 2;
        using var dataset = SequenceDataset.Open(folder, n: 1000, heldOut: 0, Separator);
        var expected = texts.SelectMany((text, i) => i == 0 ? _tokenizer.Encode(text) : [Separator, .. _tokenizer.Encode(text)]).ToArray();
        ReadAll(dataset.Training).ShouldBe(expected);
        manifest.Tokens.ShouldBe(expected.Length - texts.Length + 1);
    }

    [Fact]
    public void A_large_vocabulary_takes_four_bytes_per_token()
    {
        using var vocabulary = new TestFolder();
        _tokenizer.Save(vocabulary.At("tokenizer.json"));
        var json = File.ReadAllText(vocabulary.At("tokenizer.json")).Replace("\"<mask>\": 4", "\"<mask>\": 70000", StringComparison.Ordinal).Replace("\"id\": 4,", "\"id\": 70000,", StringComparison.Ordinal);
        var large = ByteBpeTokenizer.Load(vocabulary.Write("large.json", json));
        large.VocabularySize.ShouldBe(70_001);

        var texts = WriteCorpus();
        var folder = Make(10_000, out var manifest, large);
        using var dataset = SequenceDataset.Open(folder, 1000, 0, separatorId: 70_000);
        ReadAll(dataset.Training).ShouldBe(texts.SelectMany((text, i) => i == 0 ? large.Encode(text) : [70_000, .. large.Encode(text)]));
        manifest.Shards.Sum(shard => shard.Bytes).ShouldBeGreaterThan(manifest.Tokens * 4);
    }

    [Fact]
    public void Who_makes_the_shards_in_which_order_makes_no_difference()
    {
        WriteCorpus();
        var one = Make(5_000, out var manifest);
        var two = Directory.CreateDirectory(_root.At("two")).FullName;
        var plan = CorpusPlan.Create(manifest.Files, _tokenizer, null, 5_000);
        var infos = new ShardInfo[plan.Shards.Count];
        foreach (var index in Enumerable.Range(0, infos.Length).Reverse())
        {
            infos[index] = ShardMaker.Make(plan, index, _root.Path, _tokenizer, two);
        }

        CorpusManifest.Create(plan, infos).Save(two);
        var names = Directory.GetFiles(one).Select(file => Path.GetFileName(file)).Order().ToArray();
        names.Length.ShouldBe(infos.Length + 1);
        Directory.GetFiles(two).Select(file => Path.GetFileName(file)).Order().ShouldBe(names);
        names.ShouldAllBe(name => File.ReadAllBytes(Path.Combine(one, name)).SequenceEqual(File.ReadAllBytes(Path.Combine(two, name))));
    }

    [Fact]
    public void A_shard_that_is_there_is_kept_and_a_damaged_one_made_again()
    {
        WriteCorpus();
        var folder = Make(5_000, out var manifest);
        var plan = CorpusPlan.Create(manifest.Files, _tokenizer, null, 5_000);
        var path = Path.Combine(folder, manifest.Shards[1].File);
        var (bytes, written) = (File.ReadAllBytes(path), File.GetLastWriteTimeUtc(path));
        ShardMaker.Make(plan, 1, _root.Path, _tokenizer, folder).ShouldBe(manifest.Shards[1]);
        File.GetLastWriteTimeUtc(path).ShouldBe(written);

        Damage(path, 100);
        ShardMaker.Make(plan, 1, _root.Path, _tokenizer, folder).ShouldBe(manifest.Shards[1]);
        File.ReadAllBytes(path).ShouldBe(bytes);
    }

    [Fact]
    public void A_shard_cut_off_anywhere_is_an_error_when_opened()
    {
        WriteCorpus();
        var folder = Make(1_000_000, out var manifest);
        var path = Path.Combine(folder, manifest.Shards[0].File);
        var whole = File.ReadAllBytes(path);
        foreach (var length in (int[])[0, 1, 31, 32, 79, 80, 81, whole.Length / 2, whole.Length - 48, whole.Length - 1])
        {
            File.WriteAllBytes(path, whole[..length]);
            Should.Throw<BadDataException>(() => SequenceDataset.Open(folder, 100, 0, 2), $"{length} bytes left").Message.ShouldContain("shard-00000.tokens is damaged");
        }

        File.Delete(path);
        Should.Throw<BadDataException>(() => SequenceDataset.Open(folder, 100, 0, 2)).Message.ShouldContain("shard-00000.tokens cannot be read");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void A_shard_cut_off_while_it_is_read_is_an_error()
    {
        WriteCorpus();
        var folder = Make(1_000_000, out var manifest);
        using var dataset = SequenceDataset.Open(folder, 100, 0, 2);
        Run("truncate", "-s", "50", Path.Combine(folder, manifest.Shards[0].File)).ShouldBeTrue();
        Should.Throw<BadDataException>(() => dataset.Training.Read(dataset.Training.Count - 1, new int[100])).Message.ShouldContain("it was cut off");
    }

    [Fact]
    public void A_shard_altered_at_any_byte_is_found_by_verification()
    {
        WriteCorpus();
        var folder = Make(1_000_000, out var manifest);
        var path = Path.Combine(folder, manifest.Shards[0].File);
        var whole = File.ReadAllBytes(path);
        manifest.Verify(folder);
        foreach (var position in Enumerable.Range(0, 60).Select(i => i * (whole.Length - 1) / 59))
        {
            Damage(path, position);
            Should.Throw<BadDataException>(() => manifest.Verify(folder), $"byte {position}").Message.ShouldContain("shard-00000.tokens is damaged");
            File.WriteAllBytes(path, whole);
        }
    }

    [Fact]
    public void A_token_beyond_the_vocabulary_is_an_error_when_read()
    {
        WriteCorpus();
        var folder = Make(1_000_000, out var manifest);
        var path = Path.Combine(folder, manifest.Shards[0].File);
        var bytes = File.ReadAllBytes(path);
        bytes[32 + 21] = 0xFF; // the upper half of token 10
        File.WriteAllBytes(path, bytes);
        using var dataset = SequenceDataset.Open(folder, 100, 0, 2);
        Should.Throw<BadDataException>(() => dataset.Training.Read(0, new int[100])).Message.ShouldContain("beyond the vocabulary");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{\"formatVersion\": 1}")]
    public void A_damaged_manifest_is_an_error(string content)
    {
        _root.Write(CorpusManifest.FileName, content);
        Should.Throw<BadDataException>(() => CorpusManifest.Load(_root.Path)).Message.ShouldContain("manifest.json is damaged");
    }

    [Theory]
    [InlineData("""{"file":"a","tokens":9223372036854775807,"documents":0,"bytes":0,"sha256":""},{"file":"b","tokens":9223372036854775807,"documents":0,"bytes":0,"sha256":""}""")]
    [InlineData("""{"file":"a","tokens":-5,"documents":0,"bytes":0,"sha256":""},{"file":"b","tokens":5,"documents":0,"bytes":0,"sha256":""}""")]
    [InlineData("""{"file":"a","tokens":0,"documents":0,"bytes":0,"sha256":""},{"file":"a","tokens":0,"documents":0,"bytes":0,"sha256":""}""")]
    [InlineData("null")]
    [InlineData("""{"file":"a\u0000b","tokens":0,"documents":0,"bytes":0,"sha256":""}""")]
    [InlineData("""{"file":"..","tokens":0,"documents":0,"bytes":0,"sha256":""}""")]
    [InlineData("""{"file":"","tokens":0,"documents":0,"bytes":0,"sha256":""}""")]
    public void A_manifest_of_impossible_shards_is_an_error(string shards)
    {
        _root.Write(CorpusManifest.FileName, $$"""{"formatVersion":1,"fingerprint":"","tokenizerSha256":"","vocabularySize":300,"separator":null,"documents":0,"tokens":0,"files":[],"shards":[{{shards}}]}""");
        Should.Throw<BadDataException>(() => CorpusManifest.Load(_root.Path)).Message.ShouldContain("its shards do not fit its totals, or lie outside its folder");
    }

    [Theory]
    [InlineData("""[{"file":1,"start":0,"end":1}]""")]
    [InlineData("""[{"file":-1,"start":0,"end":1}]""")]
    [InlineData("""[{"file":0,"start":-1,"end":1}]""")]
    [InlineData("""[{"file":0,"start":2,"end":1}]""")]
    [InlineData("""[{"file":0,"start":0,"end":9223372036854775807}]""")]
    [InlineData("[null]")]
    [InlineData("null")]
    public void A_plan_of_impossible_parts_is_an_error_whatever_its_fingerprint(string shard)
    {
        _root.Write(CorpusPlan.FileName, $$"""{"formatVersion":1,"fingerprint":"0","tokenizerSha256":"","vocabularySize":300,"separator":null,"files":[{"path":"a.txt","bytes":4,"sha256":""}],"shards":[{{shard}}]}""");
        Should.Throw<BadDataException>(() => CorpusPlan.Load(_root.Path, "0")).Message.ShouldContain("a part of a shard lies outside of its file");
    }

    [Fact]
    public void A_manifest_that_is_missing_altered_or_of_another_version_is_an_error()
    {
        Should.Throw<BadDataException>(() => CorpusManifest.Load(_root.Path)).Message.ShouldContain("cannot be read");
        WriteCorpus();
        var folder = Make(1_000_000, out var manifest);
        (manifest with { FormatVersion = 9 }).Save(folder);
        Should.Throw<BadDataException>(() => CorpusManifest.Load(folder)).Message.ShouldContain("format version 9");
        (manifest with { Tokens = 5 }).Save(folder);
        Should.Throw<BadDataException>(() => CorpusManifest.Load(folder)).Message.ShouldContain("damaged");
        (manifest with { Shards = [manifest.Shards[0] with { File = "../x" }] }).Save(folder);
        Should.Throw<BadDataException>(() => CorpusManifest.Load(folder)).Message.ShouldContain("outside its folder");
        (manifest with { Shards = [manifest.Shards[0] with { Sha256 = new string('0', 64) }] }).Save(folder);
        Should.Throw<BadDataException>(() => SequenceDataset.Open(folder, 10, 0, 2)).Message.ShouldContain("the manifest says");
    }

    [Fact]
    public void Another_tokenizer_than_planned_is_an_error()
    {
        WriteCorpus();
        Make(1_000_000, out var manifest);
        var plan = CorpusPlan.Create(manifest.Files, _tokenizer, null, 1_000_000);
        Should.Throw<BadDataException>(() => ShardMaker.Make(plan, 0, _root.Path, new ByteBpeTrainer(300).Train(), _root.Path)).Message.ShouldContain("planned with");
    }

    [Fact]
    public void Cancelling_leaves_nothing_behind()
    {
        WriteCorpus();
        Make(1_000_000, out var manifest);
        var folder = Directory.CreateDirectory(_root.At("cancelled")).FullName;
        var plan = CorpusPlan.Create(manifest.Files, _tokenizer, null, 1_000_000);
        using var cancelled = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => ShardMaker.Make(plan, 0, _root.Path, _tokenizer, folder, _ => cancelled.Cancel(), cancelled.Token));
        Directory.GetFileSystemEntries(folder).ShouldBeEmpty();
    }

    [SkippableFact]
    [Trait("Lane", "Processes")]
    public void A_full_disk_leaves_nothing_behind()
    {
        WriteCorpus();
        Make(1_000_000, out var manifest);
        var folder = Directory.CreateDirectory(_root.At("full")).FullName;
        Skip.IfNot(Run("mount", "-t", "tmpfs", "-o", "size=8k", "none", folder), "Mounting a small file system is not allowed here.");
        try
        {
            var plan = CorpusPlan.Create(manifest.Files, _tokenizer, null, 1_000_000);
            Should.Throw<IOException>(() => ShardMaker.Make(plan, 0, _root.Path, _tokenizer, folder));
            Directory.GetFileSystemEntries(folder).ShouldBeEmpty();
            Should.Throw<IOException>(() => _tokenizer.Save(Path.Combine(folder, "tokenizer.json")));
            Directory.GetFileSystemEntries(folder).ShouldBeEmpty();
        }
        finally
        {
            Run("umount", folder).ShouldBeTrue();
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private static void Damage(string path, int position)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[position] ^= 0x40;
        File.WriteAllBytes(path, bytes);
    }

    internal static int[] ReadAll(SequenceSet set)
    {
        var tokens = new int[set.Tokens];
        var position = 0;
        for (var i = 0L; i < set.Count; i++)
        {
            var buffer = new int[set.SequenceLength];
            var count = set.Read(i, buffer);
            buffer.AsSpan(0, count).CopyTo(tokens.AsSpan(position));
            position += count;
        }

        position.ShouldBe(tokens.Length);
        return tokens;
    }

    // Large and small text files, lines of JSON, gzip: 15 documents of about 60 kB.
    private string[] WriteCorpus()
    {
        var texts = Enumerable.Range(0, 15).Select(i => SomeText.Make(i == 3 ? 5000 : 300, i)).ToArray();
        for (var i = 0; i < 5; i++)
        {
            _root.Write($"corpus/a{i}.txt", texts[i]);
        }

        _root.Write("corpus/b.jsonl", string.Concat(texts[5..12].Select(text => $"{{\"text\": {System.Text.Json.JsonSerializer.Serialize(text)}}}\n")));
        _root.Write("corpus/empty.txt", string.Empty);
        _root.WriteGzip("corpus/z1.txt.gz", texts[12]);
        _root.Write("corpus/z2.txt", "\uFEFF" + texts[13]);
        _root.Write("corpus/z3.txt", texts[14]);
        return texts;
    }

    private string Make(long shardBytes, out CorpusManifest manifest, ByteBpeTokenizer? tokenizer = null)
    {
        tokenizer ??= _tokenizer;
        var folder = Directory.CreateDirectory(_root.At("shards")).FullName;
        var files = CorpusFiles.Resolve(_root.Path, ["corpus/*"])
            .Select(file => new PlannedFile(file.Path, file.Bytes, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file.FullPath))))).ToArray();
        var plan = CorpusPlan.Create(files, tokenizer, null, shardBytes);
        manifest = CorpusManifest.Create(plan, [.. Enumerable.Range(0, plan.Shards.Count).Select(i => ShardMaker.Make(plan, i, _root.Path, tokenizer, folder))]);
        manifest.Save(folder);
        return folder;
    }
}

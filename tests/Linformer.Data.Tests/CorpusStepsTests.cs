using Linformer.Data.Shards;

namespace Linformer.Data.Tests;

/// <summary>The steps of a preparation, done by several at once.</summary>
public sealed class CorpusStepsTests : IDisposable
{
    private static readonly CorpusSettings Settings = new() { Files = ["corpus/**"], VocabularySize = 500, ShardBytes = 15_000 };

    private readonly TestFolder _root = new();

    public CorpusStepsTests()
    {
        for (var i = 0; i < 5; i++)
        {
            _root.Write($"corpus/{i}.txt", SomeText.Make(4000, i));
        }

        _root.WriteGzip("corpus/9.txt.gz", SomeText.Make(4000, 9));
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public void However_the_steps_are_split_the_folder_is_the_same_byte_for_byte()
    {
        var expected = Contents(CorpusPreparation.Prepare(Settings, _root.Path, _root.At("whole")).Folder);
        expected.Keys.ShouldContain(CorpusManifest.FileName);
        expected.Keys.Count(name => name.EndsWith(".tokens", StringComparison.Ordinal)).ShouldBeGreaterThan(5);
        var random = new Random(5);
        for (var round = 0; round < 5; round++)
        {
            var planned = Plan($"split-{round}");
            var parts = Cut(planned.Plan.Shards.Count, random);
            random.Shuffle(parts);
            Parallel.ForEach(parts, new ParallelOptions { MaxDegreeOfParallelism = 1 + round }, part => Make(planned, part.First, part.Count));
            CorpusPreparation.Finish(planned.Folder, planned.Plan.Fingerprint);

            ShouldBeSame(Contents(planned.Folder), expected);
        }
    }

    [Fact]
    public void Two_that_do_everything_at_once_make_the_same()
    {
        var expected = Contents(CorpusPreparation.Prepare(Settings, _root.Path, _root.At("whole")).Folder);
        var folders = new string[3];
        Parallel.For(0, folders.Length, new ParallelOptions { MaxDegreeOfParallelism = 3 }, i =>
        {
            var planned = Plan("together");
            if (planned.Existing is null)
            {
                Make(planned, 0, planned.Plan.Shards.Count);
                CorpusPreparation.Finish(planned.Folder, planned.Plan.Fingerprint);
            }

            folders[i] = planned.Folder;
        });
        folders.Distinct(StringComparer.Ordinal).ShouldHaveSingleItem();
        ShouldBeSame(Contents(folders[0]), expected);
    }

    [Fact]
    public void A_shard_that_a_kill_has_left_half_made_is_made_again()
    {
        var expected = Contents(CorpusPreparation.Prepare(Settings, _root.Path, _root.At("whole")).Folder);
        var planned = Plan("killed");
        Make(planned, 0, 2);
        // A power cut on a file system that does not keep the order, at the worst.
        var shard = Path.Combine(planned.Folder, CorpusPlan.ShardName(1));
        File.WriteAllBytes(shard, File.ReadAllBytes(shard)[..^9]);

        Should.Throw<BadDataException>(() => Finish(planned.Folder, planned.Plan.Fingerprint, 2)).Message.ShouldContain(CorpusPlan.ShardName(1));
        Make(planned, 0, planned.Plan.Shards.Count);
        CorpusPreparation.Finish(planned.Folder, planned.Plan.Fingerprint);

        ShouldBeSame(Contents(planned.Folder), expected);

        CorpusManifest Finish(string folder, string fingerprint, int from)
        {
            Make(planned, from, planned.Plan.Shards.Count - from);
            return CorpusPreparation.Finish(folder, fingerprint);
        }
    }

    [Fact]
    public void A_missing_shard_keeps_the_manifest_from_being_written()
    {
        var planned = Plan("missing");
        Make(planned, 0, 2);

        Should.Throw<FileNotFoundException>(() => CorpusPreparation.Finish(planned.Folder, planned.Plan.Fingerprint)).Message.ShouldContain("shard-00002.tokens");

        File.Exists(Path.Combine(planned.Folder, CorpusManifest.FileName)).ShouldBeFalse();
    }

    [Fact]
    public void Planning_finds_what_is_ready_and_checks_it()
    {
        var first = CorpusPreparation.Prepare(Settings, _root.Path, _root.At("cache"));
        var again = Plan("cache");
        again.Existing!.Shards.ShouldBe(first.Manifest.Shards);
        again.Folder.ShouldBe(first.Folder);

        var shard = Path.Combine(first.Folder, CorpusPlan.ShardName(0));
        var bytes = File.ReadAllBytes(shard);
        bytes[100] ^= 4;
        File.WriteAllBytes(shard, bytes);
        Should.Throw<BadDataException>(() => Plan("cache")).Message.ShouldContain("shard-00000.tokens is damaged");
    }

    [Fact]
    public void Shards_that_the_plan_does_not_have_are_refused()
    {
        var planned = Plan("cache");
        var count = planned.Plan.Shards.Count;
        foreach (var (first, number) in new[] { (-1, 1), (0, 0), (0, count + 1), (count, 1), (int.MaxValue, int.MaxValue), (1, int.MaxValue) })
        {
            Should.Throw<BadDataException>(() => Make(planned, first, number)).Message.ShouldContain($"has shards 0 to {count - 1}");
        }
    }

    [Fact]
    public void A_plan_that_is_missing_damaged_or_of_another_corpus_is_named()
    {
        var planned = Plan("cache");
        var path = Path.Combine(planned.Folder, CorpusPlan.FileName);
        var json = File.ReadAllText(path);
        Should.Throw<BadDataException>(() => CorpusPreparation.MakeShards(planned.Folder, new string('0', 64), _root.Path, 0, 1)).Message.ShouldContain("is of another corpus");
        File.WriteAllText(path, json.Replace("\"vocabularySize\":", "\"vocabulary\":", StringComparison.Ordinal));
        Should.Throw<BadDataException>(() => Make(planned, 0, 1)).Message.ShouldContain("is damaged");
        File.WriteAllText(path, json.Replace("\"start\":0", "\"start\":1", StringComparison.Ordinal));
        Should.Throw<BadDataException>(() => Make(planned, 0, 1)).Message.ShouldContain("does not have the fingerprint");
        File.WriteAllText(path, json.Replace("corpus/0.txt", "../../0.txt", StringComparison.Ordinal));
        Should.Throw<BadDataException>(() => Make(planned, 0, 1)).Message.ShouldContain("../../0.txt");
        File.Delete(path);
        Should.Throw<FileNotFoundException>(() => Make(planned, 0, 1)).Message.ShouldContain(CorpusPlan.FileName);
    }

    [Fact]
    public void Progress_of_a_part_goes_to_the_part_s_end()
    {
        var planned = Plan("cache");
        var reports = new List<PreparationProgress>();
        var bytes = planned.Plan.Shards.Skip(1).Take(2).SelectMany(shard => shard).Sum(segment => segment.End - segment.Start);

        CorpusPreparation.MakeShards(planned.Folder, planned.Plan.Fingerprint, _root.Path, 1, 2, new Recorder(reports));

        reports[^1].ShouldBe(new PreparationProgress(PreparationPhase.Shards, bytes, bytes));
    }

    [Fact]
    public void Cancelled_shards_leave_no_half_of_one()
    {
        var planned = Plan("cache");
        Should.Throw<OperationCanceledException>(() =>
            CorpusPreparation.MakeShards(planned.Folder, planned.Plan.Fingerprint, _root.Path, 0, 2, cancellationToken: new CancellationToken(canceled: true)));
        Directory.GetFiles(planned.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe([CorpusPlan.FileName, CorpusPreparation.TokenizerFileName]);
    }

    private static (int First, int Count)[] Cut(int shards, Random random)
    {
        var parts = new List<(int, int)>();
        for (var first = 0; first < shards;)
        {
            var count = random.Next(1, Math.Min(4, shards - first) + 1);
            parts.Add((first, count));
            first += count;
        }

        return [.. parts];
    }

    private static Dictionary<string, byte[]> Contents(string folder) =>
        Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);

    private static void ShouldBeSame(Dictionary<string, byte[]> actual, Dictionary<string, byte[]> expected)
    {
        actual.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, bytes) in expected)
        {
            actual[name].AsSpan().SequenceEqual(bytes).ShouldBeTrue(name);
        }
    }

    private PlannedCorpus Plan(string cache) => CorpusPreparation.Plan(Settings, _root.Path, _root.At(cache));

    private void Make(PlannedCorpus planned, int first, int count) =>
        CorpusPreparation.MakeShards(planned.Folder, planned.Plan.Fingerprint, _root.Path, first, count).Count.ShouldBe(count);

    private sealed class Recorder(List<PreparationProgress> reports) : IProgress<PreparationProgress>
    {
        public void Report(PreparationProgress value) => reports.Add(value);
    }
}

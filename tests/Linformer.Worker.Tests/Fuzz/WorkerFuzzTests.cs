using System.Text;
using Google.Protobuf;
using Linformer.Data;
using Linformer.Fuzzing;
using Linformer.Fuzzing.Messages;
using Linformer.Protocol;
using Linformer.Worker.Agents;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Xunit.Abstractions;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Fuzz;

/// <summary>What a worker reads of its coordinator, of its ranks, and of its folder, damaged.</summary>
public sealed class WorkerFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-fuzz-");

    private WorkerAgentOptions Options => new()
    {
        Coordinator = new Uri("http://localhost:1"),
        JoinToken = "x",
        Name = "w",
        Slots = 3,
        StorageRoot = _folder.FullName,
        RankProgram = ("none", []),
    };

    private static RandomMessages Messages => new(
        ["small-abcde", "jobs/small-abcde", "models/small-abcde", "cache/corpora/0123", "link/out", "link", "{\"name\":\"a\"}", """{"files":["a.txt"]}""", "w", "cpu"],
        [[1, 2, 3], []]);

    [Fact]
    public void Groups_are_started_or_refused()
    {
        const string PluginJob = """{"name":"a","task":"plugin","plugin":{"assembly":"a.dll"}}""";
        var withoutCorpus = 0;
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullName, "link"), "/");
        new Fuzzer { Name = "group", Corpus = [], Cases = 2000, MayThrow = e => e is BadDataException or SlotMismatchException }.Run(
            random =>
            {
                var group = (V1.RankGroup)Messages.Make(random, V1.RankGroup.Descriptor);
                // Mostly right, so that what comes last is reached too.
                group.JobId = random.Next(4) == 0 ? group.JobId : "small-abcde";
                group.Threads = random.Next(4) == 0 ? group.Threads : 1;
                group.JobFile = random.Next(6) switch
                {
                    0 => group.JobFile,
                    1 => PluginJob,
                    2 => PluginJob[..^1] + ""","corpus":{"files":["a.txt"]}}""",
                    3 => """{"name":"a","corpus":{"files":["a.txt"]}}""",
                    _ => "{}",
                };
                if (random.Next(4) != 0)
                {
                    group.Members.Clear();
                    group.Members.Add(new V1.MemberPlace { Member = random.Next(8) == 0 ? 2 : 1, Slot = 2 });
                }

                return group;
            },
            group =>
            {
                var launch = AssignmentReader.Read(group, 1, Options);
                var start = launch.Start;
                List<string> paths = [launch.LogPath, start.RunFolder, start.ModelFolder];
                // Only a job without a corpus has no folder for it.
                if (start.CorpusFolder.Length == 0 && group.JobFile == PluginJob)
                {
                    withoutCorpus++;
                }
                else
                {
                    paths.Add(start.CorpusFolder);
                }

                foreach (var path in paths)
                {
                    path.ShouldStartWith(_folder.FullName + "/");
                    Path.GetFullPath(path).ShouldBe(path);
                }
            },
            group => group.ToByteArray(),
            output);
        withoutCorpus.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Generations_are_joined_or_refused()
    {
        new Fuzzer { Name = "generation", Corpus = [], Cases = 2000, MayThrow = e => e is BadDataException }.Run(
            random => (V1.RankGroup)Messages.Make(random, V1.RankGroup.Descriptor),
            group =>
            {
                var join = AssignmentReader.Join(group, 1);
                join.Rank.ShouldBeInRange(-1, join.WorldSize - 1);
                (join.LineageLimits?.Count ?? 0).ShouldBe(join.Lineage);
            },
            group => group.ToByteArray(),
            output);
    }

    [Fact]
    public void Damaged_assignments_and_leases_are_read_or_refused()
    {
        var made = Enumerable.Range(0, 60).Select(i => Messages.Make(new Random(i * 7919), V1.Assignment.Descriptor).ToByteArray()).ToArray();
        new Fuzzer { Name = "assignment", Corpus = made, Cases = 1500, MayThrow = e => e is BadDataException or SlotMismatchException or JobFileException or InvalidProtocolBufferException }.Run(
            bytes =>
            {
                var assignment = V1.Assignment.Parser.ParseFrom(bytes);
                foreach (var lease in assignment.Leases)
                {
                    _ = AssignmentReader.Shards(lease);
                    _ = AssignmentReader.Inside(_folder.FullName, lease.Folder, "corpus folder");
                    _ = AssignmentReader.CorpusSettings(lease.CorpusSettings, Options);
                }

                foreach (var group in assignment.Groups)
                {
                    _ = AssignmentReader.Read(group, 1, Options);
                    _ = AssignmentReader.Join(group, 1);
                }
            },
            output);
    }

    [Fact]
    public void Corpus_settings_of_an_assignment_are_read_or_refused()
    {
        new Fuzzer
        {
            Name = "corpus settings",
            Corpus = [Encoding.UTF8.GetBytes("""{"files":["a/*.txt","b.jsonl.gz"],"separator":"","tokenizer":{"kind":"byte-bpe","vocabularySize":300},"heldOut":0.1,"shuffleBlock":4}"""), "{\"files\":[\"a\"],\"tokenizer\":{\"file\":\"t.json\"}}"u8.ToArray()],
            Dictionary = ["}", "},\"name\":\"x\",\"training\":{\"steps\":1", "\"files\":[", "&a", "*a", "!!x", "#", "\"..\"", "\"/etc/passwd\"", "?"],
            Cases = 500,
            AllocationBase = 8 << 20,
            AllocationPerByte = 1000,
            MayThrow = e => e is BadDataException or JobFileException,
        }.Run(
            json =>
            {
                var settings = AssignmentReader.CorpusSettings(Encoding.UTF8.GetString(json), Options);
                settings.Files.ShouldAllBe(file => !file.StartsWith('/') && !file.Split('/').Contains(".."));
            },
            output);
    }

    [Fact]
    public void Lines_of_ranks_are_messages_or_refused()
    {
        RankMessage[] messages =
        [
            new PulseMessage(5, true), new JoinedMessage(0, 1, 2, "fresh"), new LeftMessage(1, 2, true, "broke", 3), new AppliedMessage(7, 0.5),
            new ProgressMessage(1, 2, double.NaN, double.PositiveInfinity, -0.5, 1, null, 3), new CheckpointedMessage("l0000-g0001-s00000001", "/a\nb/☃", 3, 4, ["x"]),
            new WarningMessage("w"), new FinishedMessage("{}"), new StoppedMessage(3), new FailedMessage("two\nlines", true, true),
            new RendezvousSetMessage("a", [1, 2, 255], 7), new RendezvousGetMessage(long.MaxValue, "key", 2), new ReadyMessage(),
            new RankSampleMessage(7, 3, 1024, 0.5, 1, 2, 0.25, double.NaN, 0, 4096, 8192, 1, 9),
        ];
        new Fuzzer
        {
            Name = "line of a rank",
            Corpus = [.. messages.Select(message => RankMessageCodec.ToLine(message)[..^1])],
            Dictionary = ["\"type\":\"pulse\",", "\"type\":\"failed\"", "\"deleted\":[", "null", "\"value\":\"AQ==\"", "\"NaN\"", "\"$id\":\"1\",", "\"$type\":\"x\","],
            Cases = 3000,
            AllocationPerByte = 50,
            AllocationBase = 1 << 20,
            MayThrow = e => e is RankProtocolException,
        }.Run(line => RankMessageCodec.ToLine(RankMessageCodec.ReadRankMessage(line)), output);
    }

    [Fact]
    public void Lines_of_launchers_are_messages_or_refused()
    {
        LauncherMessage[] messages =
        [
            new StartMessage(2, 1, "{\n}", "/storage", "/corpus", "/run", "/model"), new JoinMessage(1, 7, 0, 2, true, true, 5, [3, 4], [9], 12), new StopMessage(),
            new RendezvousValueMessage(4, [1, 2, 3]),
        ];
        new Fuzzer
        {
            Name = "line of a launcher",
            Corpus = [.. messages.Select(message => RankMessageCodec.ToLine(message)[..^1])],
            Dictionary = ["\"type\":\"join\",", "\"skippedSteps\":[", "null", "\"value\":\"AQ==\"", "\"$id\":\"1\","],
            Cases = 2000,
            AllocationPerByte = 50,
            AllocationBase = 1 << 20,
            MayThrow = e => e is RankProtocolException,
        }.Run(line => RankMessageCodec.ToLine(RankMessageCodec.ReadLauncherMessage(line)), output);
    }

    [Fact]
    public void Run_records_are_read_or_refused()
    {
        var path = Path.Combine(_folder.FullName, "run.json");
        var job = JobFileParser.Parse("name: a\ncorpus: { files: [a.txt] }\n", "a.yaml").OrThrow();
        RunRecord.Of(3, "0123", job).Save(path);
        var first = File.ReadAllBytes(path);
        RunRecord.Of(3, "0123", job).GoneBackFrom(7).Save(path);
        new Fuzzer
        {
            Name = "run record",
            Corpus = [first, File.ReadAllBytes(path)],
            Dictionary = ["\"job\": null,", "\"job\": {}", "\"lineageLimits\": [1],", "null,", "\"seed\": 1,", "\"name\": {\"a\":1},", "\"\\ud800\": 1,"],
            Cases = 600,
            AllocationPerByte = 400,
            MayThrow = e => e is BadDataException,
        }.Run(
            record =>
            {
                File.WriteAllBytes(path, record);
                _ = RunRecord.Load(path)!.ChangesOf(job).Count;
            },
            output);
    }

    [Fact]
    public void Metrics_files_are_gone_on_with()
    {
        var path = Path.Combine(_folder.FullName, "metrics.jsonl");
        new Fuzzer
        {
            Name = "metrics",
            Corpus = ["{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":\"NaN\"}\n{\"step\":3}\n"u8.ToArray()],
            Dictionary = ["{\"step\":2}\n", "\"step\":", "\"\\ud800\":1,", "\r\n", "\n"],
            Cases = 100,
            // A line that is no metric costs an exception.
            AllocationPerByte = 3000,
            MayThrow = _ => false,
            MayAllBeTheSame = true,
        }.Run(
            metrics =>
            {
                File.WriteAllBytes(path, metrics);
                using (var file = MetricsFile.Open(path, afterStep: 2))
                {
                    file.Add(new ProgressMessage(3, 9, 1, 1, 1));
                }

                File.ReadAllLines(path)[^1].ShouldContain("\"step\":3");
            },
            output);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}

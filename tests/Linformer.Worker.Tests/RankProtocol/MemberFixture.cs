using System.Globalization;
using System.Text;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>A small job, its members as real processes, and what its coordinator and agents would tell them.</summary>
internal sealed class MemberFixture : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-members-");
    private readonly List<MemberProcess> _members = [];
    private readonly Dictionary<(int Generation, string Key), byte[]> _values = [];
    private readonly List<(MemberProcess Member, RendezvousGetMessage Get)> _waiting = [];
    private readonly string _corpus;

    /// <summary>Makes the job and its corpus.</summary>
    /// <param name="training">Of the job file, beside what all tests share.</param>
    /// <param name="further">A further line of the job file.</param>
    public MemberFixture(string training, string further = "")
    {
        var text = new StringBuilder();
        for (var line = 0; line < 3000; line++)
        {
            text.Append(CultureInfo.InvariantCulture, $"line {line} of {line * 7919 % 97} and {line % 31}\n\n");
        }

        File.WriteAllText(Path.Combine(Folder, "text.txt"), text.ToString());
        Job = JobFileParser.Parse(
            $$"""
            name: tiny
            corpus: { files: ["text.txt"], tokenizer: { vocabularySize: 300 }, separator: "", heldOut: 0.05 }
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8, dropout: 0.1 }
            training: { globalBatch: 12, microBatch: 2, warmupSteps: 5, {{training}} }
            ranks: { min: 1, max: 3 }
            {{further}}
            """,
            "tiny.yaml").OrThrow();
        _corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(Job), Folder, Path.Combine(Folder, "cache")).Folder;
    }

    /// <summary>Makes another job.</summary>
    /// <param name="files">The corpus's files: path below the storage root and content.</param>
    /// <param name="job">The job file.</param>
    public MemberFixture(IReadOnlyDictionary<string, string> files, string job)
    {
        foreach (var (name, content) in files)
        {
            File.WriteAllText(Path.Combine(Folder, name), content);
        }

        Job = JobFileParser.Parse(job, "job.yaml").OrThrow();
        _corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(Job), Folder, Path.Combine(Folder, "cache")).Folder;
    }

    /// <summary>The job, of which members learn when they start.</summary>
    public JobFile Job { get; set; }

    public string Folder => _folder.FullName;

    /// <summary>The folder of the job; another one is another run of the same job.</summary>
    public string RunFolder { get; set; } = "run";

    private string Run => Path.Combine(Folder, RunFolder);

    /// <summary>Starts a member and waits until it is warm.</summary>
    public MemberProcess Start(string listen = "127.0.0.1")
    {
        var member = StartCold(listen);
        member.WaitFor<ReadyMessage>();
        return member;
    }

    /// <summary>Starts members at once and waits until all are warm.</summary>
    public MemberProcess[] Start(int count)
    {
        MemberProcess[] members = [.. Enumerable.Range(0, count).Select(_ => StartCold())];
        Array.ForEach(members, member => member.WaitFor<ReadyMessage>());
        return members;
    }

    public (MemberProcess First, MemberProcess Second) StartTwo()
    {
        var members = Start(2);
        return (members[0], members[1]);
    }

    public (MemberProcess First, MemberProcess Second, MemberProcess Third) StartThree()
    {
        var members = Start(3);
        return (members[0], members[1], members[2]);
    }

    /// <summary>Starts a member.</summary>
    public MemberProcess StartCold(string listen = "127.0.0.1")
    {
        var member = new MemberProcess(_members.Count + 1, Take);
        _members.Add(member);
        member.Send(new StartMessage(
            member.Number, Threads: 1, Job.ToJson(), Folder, _corpus, Run, Path.Combine(Run, "model"), listen, CheckpointPatience: 120));
        return member;
    }

    /// <summary>Tells members to form a generation, in the order of their ranks.</summary>
    public static void Form(int generation, MemberProcess[] ranks, Func<JoinMessage, JoinMessage>? change = null)
    {
        for (var rank = 0; rank < ranks.Length; rank++)
        {
            var join = new JoinMessage(Lineage: 0, generation, rank, ranks.Length);
            ranks[rank].Send(change?.Invoke(join) ?? join);
        }
    }

    /// <summary>Every step that was told, by whomever.</summary>
    public ILookup<long, ProgressMessage> Progress => _members.SelectMany(member => member.Progress).ToLookup(progress => progress.Step);

    public WorldHistory History => WorldHistory.Load(Path.Combine(Run, StorageLayout.HistoryName));

    public byte[] Weights => File.ReadAllBytes(Path.Combine(Run, "model", "model.safetensors"));

    public string[] CheckpointNames => Directory.Exists(Path.Combine(Run, StorageLayout.CheckpointsName))
        ? [.. Directory.GetDirectories(Path.Combine(Run, StorageLayout.CheckpointsName)).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>Trains the job anew as a history says, undisturbed, and gives the weights.</summary>
    public byte[] Replay(WorldHistory history)
    {
        var before = RunFolder;
        RunFolder = "replay";
        lock (_values)
        {
            _values.Clear();
        }

        try
        {
            var skipped = history.SkippedSteps.ToList();
            var members = Start(history.Segments.Max(segment => segment.Ranks));
            for (var i = 0; i < history.Segments.Length; i++)
            {
                var until = i + 1 < history.Segments.Length ? history.LastStepOf(i) : (long?)null;
                var ranks = Math.Max(1, history.Segments[i].Ranks);
                Form(i + 1, members[..ranks], join => join with { UntilStep = until, SkippedSteps = skipped });
                foreach (var member in members[..ranks])
                {
                    if (until is null)
                    {
                        member.WaitFor<FinishedMessage>();
                    }
                    else
                    {
                        var left = member.WaitFor<LeftMessage>(message => message.Generation == i + 1);
                        (left.Step, left.Broken).ShouldBe((until.Value, null));
                    }
                }
            }

            return Weights;
        }
        finally
        {
            RunFolder = before;
        }
    }

    public void Dispose()
    {
        _members.ForEach(member => member.Dispose());
        _folder.Delete(recursive: true);
    }

    private void Take(MemberProcess member, RankMessage message)
    {
        lock (_values)
        {
            switch (message)
            {
                case RendezvousSetMessage set:
                    _values[(set.Generation, set.Key)] = set.Value;
                    break;
                case RendezvousGetMessage get:
                    _waiting.Add((member, get));
                    break;
            }

            _waiting.RemoveAll(waiting =>
            {
                var known = _values.TryGetValue((waiting.Get.Generation, waiting.Get.Key), out var value);
                if (known)
                {
                    waiting.Member.Send(new RendezvousValueMessage(waiting.Get.Request, value!));
                }

                return known;
            });
        }
    }
}

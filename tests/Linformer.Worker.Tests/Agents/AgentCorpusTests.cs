using System.Globalization;
using System.Text;
using Linformer.Data;
using Linformer.Data.Shards;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

[Trait("Lane", "Processes")]
public sealed class AgentCorpusTests : AgentFixture
{
    private const string Settings = """{"files":["texts/*.txt"],"tokenizer":{"kind":"byte-bpe","vocabularySize":400},"separator":""}""";
    private const long ShardBytes = 40_000;

    private int _leases;

    public AgentCorpusTests()
    {
        Directory.CreateDirectory(Path.Combine(Folder, "texts"));
        for (var file = 0; file < 6; file++)
        {
            var text = new StringBuilder();
            for (var line = 0; line < 3000; line++)
            {
                var number = (line * 7919L) + (file * 104_729L);
                text.Append(CultureInfo.InvariantCulture, $"the {number % 97} of {number % 31} and {number % 1009}\n{(line % 9 == 0 ? "\n" : "")}");
            }

            File.WriteAllText(Path.Combine(Folder, $"texts/{file}.txt"), text.ToString());
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task HoweverManyAgentsTheFolderIsTheSame(int agents)
    {
        var expected = PrepareAlone();
        var names = Enumerable.Range(1, agents).Select(number => $"worker-{number}").ToArray();
        foreach (var name in names)
        {
            Start(Options("x", name) with { ShardBytes = ShardBytes });
        }

        var plan = await PlanAsync(names[0]);
        await MakeShardsAsync(plan, names);
        var manifest = await FinishAsync(plan, names[^1]);

        (manifest.Shards, manifest.VocabularySize, manifest.Tokens).ShouldBe((plan.Shards, plan.VocabularySize, CorpusManifest.Load(Path.Combine(Folder, plan.Folder)).Tokens));
        ShouldBeSame(Contents(plan.Folder), expected);
        (await PlanAsync(names[0])).Existing.ShouldBe(manifest);
    }

    [Fact]
    public async Task AnAgentThatIsKilledDuringShardingChangesNothing()
    {
        var expected = PrepareAlone();
        Start(Options("x", "worker-1") with { ShardBytes = ShardBytes });
        var killed = StartProcess(Options("x", "worker-2") with { ShardBytes = ShardBytes });
        var plan = await PlanAsync("worker-1");

        Grant("worker-2", Lease(plan, V1.CorpusWork.Shards, 0, plan.Shards));
        await Coordinator.WaitAsync("worker-2", peer => peer.Status?.Leases.SingleOrDefault());
        Signal("KILL", killed.Id);
        await killed.WaitForExitAsync();
        await MakeShardsAsync(plan, ["worker-1"]);
        await FinishAsync(plan, "worker-1");

        var contents = Contents(plan.Folder);
        // What the killed one had begun has a temporary name, and goes after a day.
        foreach (var name in contents.Keys.Where(name => name.Contains(".tmp-", StringComparison.Ordinal)).ToList())
        {
            contents.Remove(name);
        }

        ShouldBeSame(contents, expected);
    }

    [Fact]
    public async Task ALeaseThatIsTakenAwayIsNoLongerReported()
    {
        Start(Options("x") with { ShardBytes = ShardBytes });
        var plan = await PlanAsync("worker-1");
        Grant("worker-1", Lease(plan, V1.CorpusWork.Shards, 0, plan.Shards));

        Coordinator.Assign("worker-1", assignment => assignment.Leases.Clear());

        var revision = Coordinator.Of("worker-1").Assignment.Revision;
        await Coordinator.WaitAsync("worker-1", peer => peer.Status is { Leases.Count: 0 } status && status.AssignmentRevision == revision ? status : null);
    }

    [Fact]
    public async Task NonsenseIsReportedAsAFailure()
    {
        Start(Options("x") with { ShardBytes = ShardBytes });
        var plan = await PlanAsync("worker-1");
        await FailsAsync(Lease(plan, V1.CorpusWork.Unspecified), permanent: true, "does not know the work");
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, -1, 1), permanent: true, "1 shards from -1 on are not possible");
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, 5, int.MaxValue), permanent: true, "not possible");
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, plan.Shards, 1), permanent: true, $"has shards 0 to {plan.Shards - 1}");
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, 0, 1, "../x"), permanent: true, "is not a path inside the storage root");
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, 0, 1, "cache/none"), permanent: false, "plan.json");
        await FailsAsync(Lease(plan, V1.CorpusWork.Manifest), permanent: false, "is missing");
        await FailsAsync(Planning("{"), permanent: true, "is not JSON");
        await FailsAsync(Planning("""{"files":["../*.txt"]}"""), permanent: true, "../*.txt");
        await FailsAsync(Planning("""{"files":["none/*.txt"]}"""), permanent: true, "matches no file");
        await FailsAsync(Planning("""{"files":["a.txt"],"color":1}"""), permanent: true, "color");
    }

    [Fact]
    public async Task AStorageThatIsUnmountedIsNotTheCorpussFault()
    {
        Coordinator.StorageId = "0123";
        await File.WriteAllTextAsync(Path.Combine(Folder, "storage-id"), "0123");
        Start(Options("x") with { ShardBytes = ShardBytes });
        var plan = await PlanAsync("worker-1");
        var lost = $"the storage at {Folder} is not the cluster's any more: its file storage-id is not there";

        Unmount();
        await FailsAsync(Planning(Settings), permanent: false, lost);
        await FailsAsync(Lease(plan, V1.CorpusWork.Shards, 0, 1), permanent: false, lost);
        Coordinator.Of("worker-1").Status!.Unfit.ShouldBe(lost);

        Mount();
        await Coordinator.WaitAsync("worker-1", peer => peer.Status is { Unfit: "" } status ? status : null);
        (await PlanAsync("worker-1")).ShouldBe(plan);
    }

    [Fact]
    public async Task AStorageThatIsUnmountedWhileALeaseIsWorkedOnIsNotTheCorpussFault()
    {
        Coordinator.StorageId = "0123";
        await File.WriteAllTextAsync(Path.Combine(Folder, "storage-id"), "0123");
        // A hole that takes long to read.
        await using var large = new FileStream(Path.Combine(Folder, "texts/large.txt"), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
        large.SetLength(50L << 30);
        Start(Options("x") with { ShardBytes = ShardBytes });
        var lease = Grant("worker-1", Planning(Settings));
        await Coordinator.WaitAsync("worker-1", peer => peer.Status?.Leases.SingleOrDefault(status => status.Progress is not null));
        Unmount();
        large.SetLength(0);

        var ended = await EndedAsync("worker-1", lease);
        (ended.Phase, ended.Permanent).ShouldBe((V1.LeasePhase.Failed, false), ended.ToString());
        ended.Error.ShouldStartWith($"the storage at {Folder} is not the cluster's any more: its file storage-id is not there (");
        Mount();
    }

    // As it looks to those who have the folder: it is empty.
    private void Unmount() => Move(Folder, Directory.CreateDirectory(Folder + ".away").FullName);

    private void Mount()
    {
        Move(Folder + ".away", Folder);
        Directory.Delete(Folder + ".away");
    }

    private static void Move(string from, string to)
    {
        foreach (var path in Directory.GetFileSystemEntries(from).OrderBy(path => Path.GetFileName(path) == "storage-id"))
        {
            Directory.Move(path, Path.Combine(to, Path.GetFileName(path)));
        }
    }

    private Dictionary<string, byte[]> PrepareAlone()
    {
        var settings = new CorpusSettings { Files = ["texts/*.txt"], VocabularySize = 400, Separator = "", ShardBytes = ShardBytes };
        var alone = CorpusPreparation.Prepare(settings, Folder, Path.Combine(Folder, "alone"));
        alone.Manifest.Shards.Count.ShouldBeGreaterThan(6);
        return Contents(alone.Folder);
    }

    private Dictionary<string, byte[]> Contents(string folder) =>
        Directory.GetFiles(Path.Combine(Folder, folder)).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);

    private static void ShouldBeSame(Dictionary<string, byte[]> actual, Dictionary<string, byte[]> expected)
    {
        actual.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, bytes) in expected)
        {
            actual[name].AsSpan().SequenceEqual(bytes).ShouldBeTrue(name);
        }
    }

    private async Task<V1.PlanResult> PlanAsync(string name) => (await DoneAsync(name, Grant(name, Planning(Settings)))).Plan;

    private async Task<V1.ManifestResult> FinishAsync(V1.PlanResult plan, string name) =>
        (await DoneAsync(name, Grant(name, Lease(plan, V1.CorpusWork.Manifest)))).Manifest;

    // Two shards at a time to whoever has nothing to do.
    private async Task MakeShardsAsync(V1.PlanResult plan, string[] names)
    {
        var next = 0;
        await Task.WhenAll(names.Select(async name =>
        {
            int first;
            while ((first = Interlocked.Add(ref next, 2) - 2) < plan.Shards)
            {
                await DoneAsync(name, Grant(name, Lease(plan, V1.CorpusWork.Shards, first, Math.Min(2, plan.Shards - first))));
            }
        }));
    }

    private async Task<V1.LeaseStatus> DoneAsync(string name, string lease)
    {
        var ended = await EndedAsync(name, lease);
        ended.Phase.ShouldBe(V1.LeasePhase.Done, ended.ToString());
        return ended;
    }

    private async Task FailsAsync(V1.CorpusLease lease, bool permanent, string reason)
    {
        var ended = await EndedAsync("worker-1", Grant("worker-1", lease));
        ended.Phase.ShouldBe(V1.LeasePhase.Failed, ended.ToString());
        ended.Error.ShouldContain(reason);
        ended.Permanent.ShouldBe(permanent, ended.Error);
    }

    private Task<V1.LeaseStatus> EndedAsync(string name, string lease) =>
        Coordinator.WaitAsync(name, peer => peer.Status?.Leases.SingleOrDefault(own => own.LeaseId == lease && own.Phase != V1.LeasePhase.Working));

    private string Grant(string name, V1.CorpusLease lease)
    {
        Coordinator.Assign(name, assignment =>
        {
            assignment.Leases.Clear();
            assignment.Leases.Add(lease);
        });
        return lease.LeaseId;
    }

    private V1.CorpusLease Planning(string settings) =>
        new() { LeaseId = NewId(), CorpusId = "c", Work = V1.CorpusWork.Plan, CorpusSettings = settings };

    private V1.CorpusLease Lease(V1.PlanResult plan, V1.CorpusWork work, int first = 0, int count = 0, string? folder = null) => new()
    {
        LeaseId = NewId(),
        CorpusId = "c",
        Work = work,
        CorpusSettings = Settings,
        Fingerprint = plan.Fingerprint,
        Folder = folder ?? plan.Folder,
        FirstShard = first,
        ShardCount = count,
    };

    private string NewId() => $"lease-{Interlocked.Increment(ref _leases)}";
}

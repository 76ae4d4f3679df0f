using System.Text;
using Grpc.Core;
using Linformer.Data;
using Linformer.Data.Shards;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary><c>Corpora.Preview</c>, of a corpus that was really sharded.</summary>
public sealed class PreviewTests : IAsyncLifetime
{
    private static readonly string[] Documents = [.. Enumerable.Range(0, 40).Select(i => $"Text {i}: über ähnliche Wörter, 日本語の文 and 😀 — {i * 7919 % 97}.\n")];

    private TestCoordinator _coordinator = null!;
    private string _corpus = null!;
    private string _folder = null!;

    public async Task InitializeAsync()
    {
        _coordinator = await TestCoordinator.StartAsync();
        Directory.CreateDirectory(Path.Combine(_coordinator.DataFolder, "texts"));
        for (var i = 0; i < Documents.Length; i++)
            File.WriteAllText(Path.Combine(_coordinator.DataFolder, "texts", $"{i:00}.txt"), Documents[i]);
        // Several shards, so that a sequence crosses from one to the next.
        var prepared = CorpusPreparation.Prepare(
            new CorpusSettings { Files = ["texts/*.txt"], VocabularySize = 300, ShardBytes = 400 }, _coordinator.DataFolder, Path.Combine(_coordinator.DataFolder, "cache"));
        prepared.Manifest.Shards.Count.ShouldBeGreaterThan(3);
        _folder = prepared.Folder;
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync();
        await _coordinator.SubmitAsync();
        _corpus = await ReadyAsync(agent, prepared.Manifest, Path.GetRelativePath(_coordinator.DataFolder, prepared.Folder));
    }

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task What_was_sharded_comes_back_as_its_text()
    {
        var text = string.Concat(Documents);
        var bytes = new List<byte>();
        var next = 0L;
        while (true)
        {
            var response = await PreviewAsync(from: next, length: 100, sequences: 3);
            response.CorpusId.ShouldBe(_corpus);
            response.FromToken.ShouldBe(next);
            foreach (var sequence in response.Sequences)
            {
                sequence.FirstToken.ShouldBe(next);
                sequence.Pieces.Count.ShouldBe(sequence.Ids.Count);
                sequence.Ids.Count.ShouldBe((int)Math.Min(100, response.Tokens - next));
                // Where no character is cut, its pieces are the text; where one is, both show U+FFFD.
                if (!sequence.Pieces.Any(piece => piece.Contains('\uFFFD', StringComparison.Ordinal)))
                    string.Concat(sequence.Pieces).ShouldBe(sequence.Text);
                next += sequence.Ids.Count;
                bytes.AddRange(Bytes(sequence.Ids));
            }
            if (next == response.Tokens)
                break;
        }
        Encoding.UTF8.GetString([.. bytes]).ShouldBe(text);

        // All in one: no character is cut then.
        var whole = await PreviewAsync(from: 0, length: 4096, sequences: 1);
        whole.Sequences[0].Text.ShouldBe(text);
        (await PreviewAsync(0, 0, 0)).Sequences.Select(sequence => sequence.Ids.Count).ShouldBe(Enumerable.Repeat(128, 8));
        // Nothing that computes was needed.
        File.ReadAllText("/proc/self/maps").ShouldNotContain("libtorch");
    }

    [Theory]
    [InlineData(-1, 0, 0, "from_token is -1; it must be 0 or more.")]
    [InlineData(0, 4097, 0, "sequence_length is 4097; 1 to 4,096 are allowed, and 0 for 128.")]
    [InlineData(0, -1, 0, "sequence_length is -1;")]
    [InlineData(0, 0, 65, "sequences is 65; 1 to 64 are allowed, and 0 for 8.")]
    [InlineData(1_000_000, 0, 0, "from_token is 1000000; corpus ")]
    public async Task Requests_are_checked(long from, int length, int sequences, string message) =>
        (await Refused.With(StatusCode.InvalidArgument, () => PreviewAsync(from, length, sequences))).Status.Detail.ShouldStartWith(message);

    [Fact]
    public async Task A_corpus_that_is_not_there_or_not_ready_is_told_of()
    {
        (await Refused.With(StatusCode.NotFound, async () => await _coordinator.Corpora.PreviewAsync(new Proto.PreviewRequest { Corpus = "x\ny" })))
            .Status.Detail.ShouldBe("There is no corpus 'x?y'; there is 1.");
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync("w2");
        await _coordinator.Jobs.SubmitAsync(new Proto.SubmitRequest
        {
            JobFile = Google.Protobuf.ByteString.CopyFromUtf8("name: b\ncorpus: { files: [other.txt] }\n"),
            IdempotencyKey = "second-job",
        });
        var lease = (await agent.ReadUntilAsync(message => message.Assignment is { Leases.Count: > 0 })).Assignment.Leases[0];
        (await Refused.With(StatusCode.FailedPrecondition, async () => await _coordinator.Corpora.PreviewAsync(new Proto.PreviewRequest { Corpus = lease.CorpusId })))
            .Status.Detail.ShouldContain("is not ready yet");
    }

    [Theory]
    [InlineData("shard", "is damaged: ")]
    [InlineData("shard-gone", "cannot be read: ")]
    [InlineData("shard-is-a-pipe", "is a named pipe, not a regular file.")]
    [InlineData("tokenizer", "not valid JSON")]
    [InlineData("other-tokenizer", "was altered")]
    [InlineData("manifest", "is damaged: ")]
    public async Task Damage_is_told_without_the_place_of_the_storage_and_can_be_mended(string what, string message)
    {
        var shard = CorpusManifest.Load(_folder).Shards[0].File;
        var path = Path.Combine(_folder, what.StartsWith("shard", StringComparison.Ordinal) ? shard : what == "manifest" ? CorpusManifest.FileName : CorpusPreparation.TokenizerFileName);
        var before = File.ReadAllBytes(path);
        await DamageAsync(what, path, before);

        var refusal = await Refused.With(StatusCode.DataLoss, () => PreviewAsync(0, 10, 1).WaitAsync(TimeSpan.FromSeconds(20)));

        refusal.Status.Detail.ShouldContain(message);
        refusal.Status.Detail.ShouldNotContain(_coordinator.DataFolder);
        File.Delete(path);
        File.WriteAllBytes(path, before);
        (await PreviewAsync(0, 10, 1)).Sequences[0].Ids.Count.ShouldBe(10);
    }

    [Fact]
    public async Task Nothing_is_shown_from_behind_a_link_that_leads_out()
    {
        var outside = Directory.CreateTempSubdirectory("linformer-outside-");
        try
        {
            Directory.Move(_folder, Path.Combine(outside.FullName, "corpus"));
            Directory.CreateSymbolicLink(_folder, Path.Combine(outside.FullName, "corpus"));

            var refusal = await Refused.With(StatusCode.FailedPrecondition, () => PreviewAsync(0, 10, 1));

            refusal.Status.Detail.ShouldContain("leads out of the storage root");
            refusal.Status.Detail.ShouldNotContain(outside.FullName);
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    private static async Task DamageAsync(string what, string path, byte[] before)
    {
        switch (what)
        {
            case "shard":
                File.WriteAllBytes(path, before[..^7]);
                break;
            case "shard-gone":
                File.Delete(path);
                break;
            case "shard-is-a-pipe":
                File.Delete(path);
                using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", path))
                    await mkfifo.WaitForExitAsync();
                break;
            case "other-tokenizer":
                // Still a tokenizer of as many tokens, but two of them have changed places.
                var text = Encoding.UTF8.GetString(before);
                File.WriteAllText(path, text.Replace("\"a\": ", "\"other\": ", StringComparison.Ordinal).Replace("\"b\": ", "\"a\": ", StringComparison.Ordinal).Replace("\"other\": ", "\"b\": ", StringComparison.Ordinal));
                break;
            default:
                File.WriteAllBytes(path, before[..^7]);
                break;
        }
    }

    private async Task<Proto.PreviewResponse> PreviewAsync(long from, int length, int sequences) => await _coordinator.Corpora.PreviewAsync(
        new Proto.PreviewRequest { Corpus = _corpus, FromToken = from, SequenceLength = length, Sequences = sequences });

    private byte[] Bytes(IEnumerable<int> ids) =>
        Linformer.Data.Tokenizers.ByteBpeTokenizer.Load(Path.Combine(_folder, CorpusPreparation.TokenizerFileName)).Decode([.. ids]);

    private static async Task<string> ReadyAsync(FakeAgent agent, CorpusManifest manifest, string folder)
    {
        var assignment = (await agent.ReadUntilAsync(message => message.Assignment is { Leases.Count: > 0 })).Assignment;
        var lease = assignment.Leases.ShouldHaveSingleItem();
        var totals = new Proto.ManifestResult { Documents = manifest.Documents, Tokens = manifest.Tokens, VocabularySize = manifest.VocabularySize, Shards = manifest.Shards.Count };
        await agent.SendAsync(new Proto.Status
        {
            AssignmentRevision = assignment.Revision,
            Leases =
            {
                new Proto.LeaseStatus
                {
                    LeaseId = lease.LeaseId,
                    CorpusId = lease.CorpusId,
                    Phase = Proto.LeasePhase.Done,
                    Plan = new Proto.PlanResult { Fingerprint = manifest.Fingerprint, Folder = folder, Shards = totals.Shards, VocabularySize = totals.VocabularySize, Existing = totals },
                },
            },
        });
        await agent.ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 });
        return lease.CorpusId;
    }
}

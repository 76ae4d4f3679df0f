using System.Text;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Ranks;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

[Trait("Lane", "Processes")]
public sealed class AgentTrainingTests : AgentFixture
{
    [Fact]
    public async Task TwoAgentsTrainOneJobStopAndGoOnFromTheNewestCheckpoint()
    {
        var (job, corpus) = MakeJob();
        Start(Options(RankProgram.Argument, "worker-1", 1));
        Start(Options(RankProgram.Argument, "worker-2", 1));

        Assign(generation: 1, job, corpus);
        await Coordinator.WaitAsync("worker-1", peer => peer.Metrics.Any(item => item.Metric.Step >= 3) ? peer : null);
        Coordinator.Assign("worker-2", assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);
        (await EndAsync("worker-1", 1)).Outcome.ShouldBe(V1.GroupOutcome.Stopped);
        (await EndAsync("worker-2", 1)).Outcome.ShouldBe(V1.GroupOutcome.Stopped);
        var checkpoint = (await Coordinator.WaitAsync("worker-1", peer => peer.Telemetry.Values.LastOrDefault(item => item.Checkpoint is not null))).Checkpoint;
        checkpoint.Bytes.ShouldBeGreaterThan(1000);
        Directory.Exists(Path.Combine(Folder, "jobs/tiny-abcde/checkpoints", checkpoint.Name)).ShouldBeTrue();

        Coordinator.Assign("worker-2", assignment => assignment.Groups.Clear());
        Assign(generation: 2, job with { Training = job.Training with { Steps = (int)checkpoint.Step + 2 } }, corpus);
        var first = await EndAsync("worker-1", 2);
        (await EndAsync("worker-2", 2)).Outcome.ShouldBe(V1.GroupOutcome.Finished);

        first.Outcome.ShouldBe(V1.GroupOutcome.Finished, first.ToString());
        var summary = RankSummary.FromJson(first.Summary);
        (summary.Steps, summary.ModelFolder).ShouldBe((checkpoint.Step + 2, "models/tiny-abcde"));
        var again = await Coordinator.WaitAsync("worker-1", peer => peer.Metrics.Where(item => item.Generation == 2).ToList() is { Count: >= 2 } metrics ? metrics : null);
        again.Select(item => item.Metric.Step).ShouldBe([checkpoint.Step + 1, checkpoint.Step + 2]);
        File.Exists(Path.Combine(Folder, "models/tiny-abcde/model.safetensors")).ShouldBeTrue();
        File.ReadAllText(Path.Combine(Folder, "jobs/tiny-abcde/logs/g0002-rank-0.log"))
            .ShouldContain($" [tiny-abcde l0 g2 r0 s{checkpoint.Step + 2}] Done after step {checkpoint.Step + 2}");
    }

    [Fact]
    public async Task AJobThatCannotBeTrainedFailsForGood()
    {
        var (_, corpus) = MakeJob();
        Start(Options(RankProgram.Argument, "worker-1", 1));
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(OneOf(1, """{"name":"tiny","steps":1}""", corpus, rank: 0, worldSize: 1)));

        var ended = await EndAsync("worker-1", 1);

        ended.Failures.ShouldHaveSingleItem().Permanent.ShouldBeTrue();
        ended.Failures[0].Reason.ShouldContain("steps");
        File.ReadAllText(Path.Combine(Folder, "jobs/tiny-abcde/logs/g0001-rank-0.log")).ShouldContain(" [tiny-abcde l0 g1 r0] Training failed: ");
    }

    private static V1.RankGroup OneOf(int generation, string job, string corpus, int rank, int worldSize)
    {
        var group = Group(worldSize, generation, "tiny-abcde", rank);
        (group.JobFile, group.CorpusFolder) = (job, corpus);
        return group;
    }

    private void Assign(int generation, JobFile job, string corpus)
    {
        for (var rank = 0; rank < 2; rank++)
        {
            var group = OneOf(generation, job.ToJson(), corpus, rank, 2);
            Coordinator.Assign($"worker-{rank + 1}", assignment =>
            {
                assignment.Groups.Clear();
                assignment.Groups.Add(group);
            });
        }
    }

    private Task<V1.GroupStatus> EndAsync(string name, int generation) => Coordinator.WaitAsync(
        name, peer => peer.Status?.Groups.SingleOrDefault(group => group.Generation == generation && group.Phase == V1.GroupPhase.Ended));

    private (JobFile Job, string Corpus) MakeJob()
    {
        var text = new StringBuilder();
        for (var line = 0; line < 3000; line++)
        {
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"line {line} of {line * 7919 % 97} and {line % 31}\n\n");
        }

        File.WriteAllText(Path.Combine(Folder, "text.txt"), text.ToString());
        var job = JobFileParser.Parse(
            """
            name: tiny
            corpus: { files: ["text.txt"], tokenizer: { vocabularySize: 300 }, separator: "", heldOut: 0.05 }
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8 }
            training: { steps: 100000, globalBatch: 4, microBatch: 2, evaluateEvery: 1000000, checkpointEvery: 1000000 }
            ranks: { min: 2, max: 2 }
            """,
            "tiny.yaml").OrThrow();
        var corpus = CorpusPreparation.Prepare(Linformer.Worker.Jobs.JobMapping.CorpusSettings(job), Folder, Path.Combine(Folder, "cache"));
        return (job, Path.GetRelativePath(Folder, corpus.Folder));
    }
}

using Linformer.Data;
using Linformer.Protocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>A small job whose ranks are spread over agents named worker-1, worker-2 and so on.</summary>
public abstract class AgentJobFixture : AgentFixture
{
    private string _corpus = "";

    private protected JobFile Job { get; set; } = null!;

    // Those that a member was ever assigned to.
    private List<string> Workers { get; } = [];

    private protected V1.RankGroup Of(V1.GenerationPlan plan, string job, int member)
    {
        var group = Group([member], plan, "tiny-abcde");
        (group.JobFile, group.CorpusFolder) = (job, _corpus);
        return group;
    }

    private protected void Assign(V1.GenerationPlan plan, params int[] members)
    {
        for (var worker = 0; worker < members.Length; worker++)
        {
            var group = Of(plan, Job.ToJson(), members[worker]);
            var name = $"worker-{worker + 1}";
            if (!Workers.Contains(name))
            {
                Workers.Add(name);
            }

            Coordinator.Assign(name, assignment =>
            {
                assignment.Groups.Clear();
                assignment.Groups.Add(group);
            });
        }
    }

    private protected void Replan(V1.GenerationPlan plan)
    {
        Workers.ForEach(name => Coordinator.Assign(name, assignment => assignment.Groups[0].Plan = plan));
    }

    private protected List<long> Steps()
    {
        var steps = new List<long>();
        foreach (var name in Workers)
        {
            lock (Coordinator.Of(name))
            {
                steps.AddRange(Coordinator.Of(name).Metrics.Select(item => item.Metric.Step));
            }
        }

        steps.Sort();
        return steps;
    }

    private protected async Task WaitForStepAsync(long step)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        while (!Steps().Contains(step))
        {
            await Task.Delay(20, giveUp.Token);
        }
    }

    private protected async Task<V1.MemberStatus> EndAsync(string name, int member) =>
        (await Coordinator.WaitForMembersAsync(name, 1, status => status.Member == member && status.Phase == V1.MemberPhase.Ended))[0];

    private protected void MakeJob(string training)
    {
        Job = SmallJob.Create(Folder, training);
        var corpus = CorpusPreparation.Prepare(Linformer.Worker.Jobs.JobMapping.CorpusSettings(Job), Folder, Path.Combine(Folder, "cache"));
        _corpus = Path.GetRelativePath(Folder, corpus.Folder);
    }
}

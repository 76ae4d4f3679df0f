using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>Whatever happens in whatever order: what must always hold, checked after every event by the simulation.</summary>
public class MembershipProperties
{
    private const int Runs = 300;

    [Fact]
    public void No_order_of_events_loses_a_committed_step_or_keeps_the_job_from_its_end()
    {
        var ends = new Dictionary<JobPhase, int>();
        var choices = new HashSet<(JobPhase, bool)>();
        Some.ForAllSeeds(random => Live(random, ends, choices), runs: Runs);

        // Failing after too many failures in a row is right now and then; mostly there is progress in between.
        ends[JobPhase.Succeeded].ShouldBeGreaterThan(Runs * 8 / 10);
        // A person went back at any time; what is seldom may take more runs.
        (JobPhase, bool)[] anyTime = [(JobPhase.Queued, false), (JobPhase.Running, false), (JobPhase.Running, true), (JobPhase.Paused, false)];
        for (var seed = 1; seed <= 10 * Runs && !choices.IsSupersetOf(anyTime); seed++)
            Live(new Random(seed), ends, choices);
        choices.ShouldBe(anyTime, ignoreOrder: true);
    }

    private static void Live(Random random, Dictionary<JobPhase, int> ends, HashSet<(JobPhase, bool)> choices)
    {
        var simulation = new ClusterSimulation(random);
        try
        {
            for (var act = random.Next(8); act > 0 && !simulation.View.HasEnded; act--)
                Act(simulation, random);
            simulation.ToTheEnd();
            simulation.View.HasEnded.ShouldBeTrue($"the job stays {simulation.View.Phase}: {simulation.View.Reason}");
            if (simulation.View.Phase != JobPhase.Succeeded)
                simulation.View.Reason.ShouldContain("in a row");
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(string.Join('\n', simulation.Log.TakeLast(80).Append(simulation.Truth).Append(exception.Message)), exception);
        }
        choices.UnionWith(simulation.Choices);
        ends[simulation.View.Phase] = ends.GetValueOrDefault(simulation.View.Phase) + 1;
    }

    // Calm, so that the job gets somewhere; then trouble.
    private static void Act(ClusterSimulation simulation, Random random)
    {
        for (var i = random.Next(6); i > 0 && !simulation.View.HasEnded; i--)
            simulation.Round();
        for (var i = random.Next(60); i > 0 && !simulation.View.HasEnded; i--)
            simulation.Step();
        for (var i = random.Next(4); i > 0 && !simulation.View.HasEnded; i--)
            simulation.Storm();
    }
}

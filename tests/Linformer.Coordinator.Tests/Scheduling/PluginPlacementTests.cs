using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Scheduling;

namespace Linformer.Coordinator.Tests.Scheduling;

public class PluginPlacementTests
{
    private static readonly DateTimeOffset Time = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_task_of_its_submitters_goes_only_to_workers_that_allow_it()
    {
        WorkerCapacity[] workers = [new("a", [0, 1], 0, 2), new("b", [0], 0, 1, AllowsPlugins: true)];
        WaitingJob[] jobs = [new("own", 0, Time, RanksMin: 1, RanksMax: 3, IsPlugin: true), new("text", 0, Time.AddSeconds(1), RanksMin: 1, RanksMax: 3)];

        var decisions = GangScheduler.Place(jobs, workers);

        decisions[0].Places.ShouldBe([new Place("b", 0)]);
        decisions[1].Places.ShouldBe([new Place("a", 0), new Place("a", 1)]);
    }

    [Fact]
    public void One_that_no_worker_takes_says_so_and_keeps_nobody_waiting()
    {
        WaitingJob[] jobs = [new("own", 5, Time, RanksMin: 2, RanksMax: 2, IsPlugin: true), new("text", 0, Time, RanksMin: 1, RanksMax: 1)];

        var decisions = GangScheduler.Place(jobs, [new WorkerCapacity("a", [0, 1], 0, 2), new WorkerCapacity("b", [0], 0, 1, AllowsPlugins: true)]);

        decisions[0].Reason.ShouldBe("needs at least 2 slots of workers that allow plug-ins (--allow-plugins); the cluster has 1");
        decisions[1].Places.Length.ShouldBe(1);
    }

    [Fact]
    public void Any_device_is_one_of_the_workers_that_allow_it()
    {
        WorkerCapacity[] workers = [new("a", [0, 1], 0, 2, "cuda"), new("b", [0, 1], 0, 2, "cpu", AllowsPlugins: true)];

        var decision = GangScheduler.Place([new WaitingJob("own", 0, Time, RanksMin: 2, RanksMax: 2, IsPlugin: true)], workers)[0];

        decision.Places.Select(place => place.Worker).ShouldBe(["b", "b"]);
    }
}

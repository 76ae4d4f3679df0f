using Linformer.Coordinator.Scheduling;

namespace Linformer.Coordinator.Tests.Scheduling;

public class GangSchedulerTests
{
    [Fact]
    public void Takes_as_many_ranks_as_are_free_up_to_the_most() => Place([Job("a", 1, 3)], ("w1", 2), ("w2", 4))
        .ShouldBe("a: w2.0 w2.1 w2.2");

    [Fact]
    public void Takes_fewer_when_fewer_are_free() => Place([Job("a", 2, 8)], ("w1", 2), ("w2", 1)).ShouldBe("a: w1.0 w1.1 w2.0");

    [Fact]
    public void Prefers_the_worker_that_it_fills() => Place([Job("a", 2, 2)], ("w1", 4), ("w2", 2)).ShouldBe("a: w2.0 w2.1");

    [Fact]
    public void Fewer_than_the_least_is_none() => Place([Job("a", 3, 8)], [("w1", 2)], total: 4).ShouldBe("a: waits for 3 slots; 2 of 4 are free");

    [Fact]
    public void Higher_priority_first_then_age() => Place(
            [Job("young", 1, 1, age: 1), Job("old", 1, 1, age: 9), Job("urgent", 1, 1, priority: 1)], ("w1", 2))
        .ShouldBe("urgent: w1.0 | old: w1.1 | young: waits for 1 slot; 0 of 2 are free");

    [Fact]
    public void A_job_that_could_fit_keeps_smaller_later_ones_waiting() => Place([Job("big", 2, 2, age: 9), Job("small", 1, 1)], [("w1", 1)], total: 2)
        .ShouldBe("big: waits for 2 slots; 1 of 2 is free | small: waits for its turn after job big");

    [Fact]
    public void A_job_larger_than_the_cluster_keeps_nobody_waiting() => Place([Job("huge", 3, 3, age: 9), Job("small", 1, 1)], ("w1", 2))
        .ShouldBe("huge: needs at least 3 slots; the cluster has 2 | small: w1.0");

    [Fact]
    public void A_delayed_job_keeps_its_turn() => Place([Job("late", 1, 1, age: 9) with { Holds = "failed before" }, Job("small", 1, 1)], ("w1", 2))
        .ShouldBe("late: failed before | small: waits for its turn after job late");

    [Fact]
    public void Only_slots_of_the_jobs_device_count()
    {
        var workers = (WorkerCapacity[])[new("w1", [0, 1, 2], 0, 3), new("w2", [0], 0, 2, "cuda")];
        string Place(WaitingJob job) => Text(GangScheduler.Place([job], workers).Single());

        Place(Job("a", 1, 8) with { Device = "cuda" }).ShouldBe("a: w2.0");
        Place(Job("a", 1, 8) with { Device = "cpu" }).ShouldBe("a: w1.0 w1.1 w1.2");
        Place(Job("a", 2, 2) with { Device = "cuda" }).ShouldBe("a: waits for 2 cuda slots; 1 of 2 is free");
        Place(Job("a", 3, 3) with { Device = "cuda" }).ShouldBe("a: needs at least 3 cuda slots; the cluster has 2");
    }

    [Fact]
    public void A_job_of_any_device_gets_slots_of_one_GPUs_if_there_are_enough()
    {
        var workers = (WorkerCapacity[])[new("w1", [0, 1, 2], 0, 3), new("w2", [0], 0, 2, "cuda")];
        string Place(WaitingJob job) => Text(GangScheduler.Place([job], workers).Single());

        Place(Job("a", 1, 8)).ShouldBe("a: w2.0");
        Place(Job("a", 2, 8)).ShouldBe("a: waits for 2 cuda slots; 1 of 2 is free");
        Place(Job("a", 3, 8)).ShouldBe("a: w1.0 w1.1 w1.2");
        Place(Job("a", 4, 8)).ShouldBe("a: needs at least 4 cpu slots; the cluster has 3");
        GangScheduler.YieldsTo(Job("c", 1, 1, age: 1) with { Device = "cpu" }, [Job("a", 2, 8, age: 9)], workers).ShouldBeNull();
        GangScheduler.YieldsTo(Job("c", 1, 1, age: 1) with { Device = "cpu" }, [Job("a", 3, 8, age: 9)], workers).ShouldBe("a");
    }

    [Fact]
    public void A_job_that_waits_keeps_only_those_waiting_that_want_the_same_slots()
    {
        var workers = (WorkerCapacity[])[new("w1", [0], 0, 1), new("w2", [], 0, 1, "cuda")];
        var gpu = Job("gpu", 1, 1, age: 9) with { Device = "cuda" };

        GangScheduler.Place([gpu, Job("cpu", 1, 1) with { Device = "cpu" }], workers).Select(Text)
            .ShouldBe(["gpu: waits for 1 cuda slot; 0 of 1 are free", "cpu: w1.0"]);
        GangScheduler.Place([gpu, Job("any", 1, 1)], workers).Select(Text)
            .ShouldBe(["gpu: waits for 1 cuda slot; 0 of 1 are free", "any: waits for its turn after job gpu"]);
    }

    [Fact]
    public void Slots_that_are_free_in_a_moment_are_waited_for_rather_than_started_without()
    {
        var workers = (WorkerCapacity[])[new("w1", [0], 0, 1), new("w2", [], 1, 1)];

        GangScheduler.Place([Job("a", 1, 2)], workers).Single().Reason.ShouldBe("waits for slots whose ranks are ending");
        GangScheduler.Place([Job("a", 1, 1)], workers).Single().Places.ShouldHaveSingleItem().Worker.ShouldBe("w1");
    }

    [Fact]
    public void Nothing_is_given_twice_by_halves_or_out_of_turn() => Some.ForAllSeeds(random =>
    {
        var workers = Enumerable.Range(1, random.Next(1, 6)).Select(i => Capacity($"w{i}", random)).ToList();
        var jobs = Enumerable.Range(1, random.Next(1, 8)).Select(i => RandomJob($"j{i}", random)).ToList();

        var decisions = GangScheduler.Place(jobs, workers);

        decisions.Select(decision => decision.JobId).ShouldBe(jobs.Select(job => job.JobId), ignoreOrder: true);
        var given = decisions.SelectMany(decision => decision.Places).Select(place => (place.Worker, place.Slot)).ToList();
        given.ShouldBeUnique();
        given.ShouldBeSubsetOf(workers.SelectMany(worker => worker.Free.Select(slot => (worker.Worker, slot))));
        var total = workers.Sum(worker => worker.Total);
        var free = workers.Sum(worker => worker.Free.Length);
        var blocked = false;
        foreach (var decision in decisions)
        {
            var job = jobs.Single(job => job.JobId == decision.JobId);
            if (decision.Places.IsEmpty)
            {
                decision.Reason.ShouldNotBeEmpty();
                blocked |= job.RanksMin + job.Has <= total && !job.Elastic;
                continue;
            }
            blocked.ShouldBeFalse();
            job.Holds.ShouldBeEmpty();
            decision.Places.Length.ShouldBe(Math.Min(job.RanksMax, free));
            decision.Places.Length.ShouldBeGreaterThanOrEqualTo(job.RanksMin);
            free -= decision.Places.Length;
        }
        for (var i = 1; i < decisions.Length; i++)
            Turn(jobs, decisions[i - 1]).CompareTo(Turn(jobs, decisions[i])).ShouldBeLessThan(0);
        // The order in which they are listed decides nothing.
        var again = GangScheduler.Place(Shuffled(jobs, random), Shuffled(workers, random));
        again.Select(Text).ShouldBe(decisions.Select(Text));
    });

    [Fact]
    public void Every_job_that_fits_gets_its_turn_however_many_come_after_it() => Some.ForAllSeeds(
        random =>
        {
            const int Slots = 4;
            var big = Job("big", Slots, Slots, age: 0);
            var running = new List<(int Slots, int Until)> { (1, random.Next(1, 9)) };
            for (var round = 0; round < 12; round++)
            {
                running.RemoveAll(job => job.Until <= round);
                var used = running.Sum(job => job.Slots);
                var newer = Enumerable.Range(0, 3).Select(i => Job($"n{round}-{i}", 1, 2, age: -1 - round));
                var decisions = GangScheduler.Place([big, .. newer], [new WorkerCapacity("w1", [.. Enumerable.Range(used, Slots - used)], 0, Slots)]);
                if (decisions.Single(decision => decision.JobId == "big").Places.Length == Slots)
                    return;
                running.AddRange(decisions.Where(decision => !decision.Places.IsEmpty).Select(decision => (decision.Places.Length, round + random.Next(1, 9))));
            }
            Assert.Fail("The large job was never placed.");
        },
        runs: 50);

    [Fact]
    public void A_running_job_takes_any_number_of_free_slots_in_its_turn_and_keeps_nobody_waiting()
    {
        var grows = Job("grows", 1, 3, age: 9) with { Elastic = true, Has = 1 };

        Place([grows, Job("new", 1, 1)], ("w1", 2)).ShouldBe("grows: w1.0 w1.1 | new: waits for 1 slot; 0 of 2 are free");
        Place([grows with { Holds = "failed before" }, Job("new", 1, 1)], ("w1", 2)).ShouldBe("grows: failed before | new: w1.0");
        // A waiting job whose turn comes before is not overtaken.
        Place([grows with { SubmittedAt = Some.Noon.AddDays(1) }, Job("big", 2, 2)], [("w1", 1)], total: 3)
            .ShouldBe("big: waits for 2 slots; 1 of 3 is free | grows: waits for its turn after job big");
    }

    [Fact]
    public void A_running_job_with_too_few_ranks_gets_what_it_lacks_or_nothing_and_keeps_its_turn()
    {
        var needy = Job("needy", 2, 3, age: 9) with { Has = 1 };

        Place([needy, Job("new", 1, 1)], [("w1", 1)], total: 4).ShouldBe("needy: waits for 2 slots; 1 of 4 is free | new: waits for its turn after job needy");
        Place([needy, Job("new", 1, 1)], [("w1", 1)], total: 2).ShouldBe("needy: needs at least 3 slots; the cluster has 2 | new: w1.0");
    }

    [Fact]
    public void Of_jobs_that_hold_too_few_slots_for_each_other_the_first_in_turn_keeps_them()
    {
        WorkerCapacity[] workers = [new("w1", [], 0, 2)];
        var first = Job("first", 1, 1, age: 9) with { Has = 1 };
        var second = Job("second", 1, 1, age: 1) with { Has = 1 };

        GangScheduler.YieldsTo(first, [first, second], workers).ShouldBeNull();
        GangScheduler.YieldsTo(second, [first, second], workers).ShouldBe("first");
        // One that the cluster cannot hold any more makes room for any that it can.
        GangScheduler.YieldsTo(first with { RanksMin = 2 }, [second, Job("waits", 1, 1)], workers).ShouldBe("second");
        GangScheduler.YieldsTo(first with { RanksMin = 2 }, [second with { Elastic = true }], workers).ShouldBeNull();
    }

    [Fact]
    public void Jobs_that_wait_for_each_others_slots_never_all_wait_and_never_all_yield() => Some.ForAllSeeds(random =>
    {
        var jobs = Enumerable.Range(1, random.Next(2, 6)).Select(i => RandomJob($"j{i}", random) with { Elastic = false, Holds = "" }).ToList();
        WorkerCapacity[] workers = [new("w1", [], 0, random.Next(1, 9))];

        var yield = jobs.Where(job => GangScheduler.YieldsTo(job, jobs, workers) is not null).Select(job => job.JobId).ToList();

        var fitting = jobs.Where(job => job.RanksMin + job.Has <= workers[0].Total)
            .OrderByDescending(job => job.Priority).ThenBy(job => job.SubmittedAt).ThenBy(job => job.JobId, StringComparer.Ordinal).ToList();
        if (fitting.Count == 0)
            yield.ShouldBeEmpty();
        else
            yield.ShouldBe(jobs.Select(job => job.JobId).Where(job => job != fitting[0].JobId), ignoreOrder: true);
    });

    private static WaitingJob Job(string id, int min, int max, int priority = 0, int age = 0) =>
        new(id, priority, Some.Noon.AddMinutes(-age), min, max);

    private static WaitingJob RandomJob(string id, Random random)
    {
        var elastic = random.Next(3) == 0;
        var min = elastic ? 1 : random.Next(1, 5);
        return Job(id, min, min + random.Next(4), random.Next(3), random.Next(3)) with
        {
            Holds = random.Next(6) == 0 ? "held" : "",
            Elastic = elastic,
            Has = elastic || random.Next(3) == 0 ? random.Next(3) : 0,
        };
    }

    private static WorkerCapacity Capacity(string worker, Random random)
    {
        var slots = random.Next(0, 5);
        return new WorkerCapacity(worker, [.. Enumerable.Range(0, slots).Where(_ => random.Next(2) == 0)], 0, slots);
    }

    private static (int, DateTimeOffset, string) Turn(List<WaitingJob> jobs, GangDecision decision)
    {
        var job = jobs.Single(job => job.JobId == decision.JobId);
        return (-job.Priority, job.SubmittedAt, job.JobId);
    }

    private static T[] Shuffled<T>(IEnumerable<T> items, Random random)
    {
        var shuffled = items.ToArray();
        random.Shuffle(shuffled);
        return shuffled;
    }

    private static string Place(WaitingJob[] jobs, params (string Worker, int Free)[] workers) => Place(jobs, workers, total: null);

    private static string Place(WaitingJob[] jobs, (string Worker, int Free)[] workers, int? total) => string.Join(" | ", GangScheduler
        .Place(jobs, workers.Select(worker => new WorkerCapacity(worker.Worker, [.. Enumerable.Range(0, worker.Free)], 0, total ?? worker.Free)))
        .Select(Text));

    private static string Text(GangDecision decision) => $"{decision.JobId}: " + (decision.Places.IsEmpty
        ? decision.Reason
        : string.Join(' ', decision.Places.Select(place => $"{place.Worker}.{place.Slot}")));
}

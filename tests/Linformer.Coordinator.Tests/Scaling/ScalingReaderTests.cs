using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Scaling;

public class ScalingReaderTests
{
    private static readonly ScalingOptions Options = new() { StatefulSet = "w", Maximum = 4, SlotsPerWorker = 2 };

    private readonly SteppedTime _time = new();

    [Theory]
    [InlineData("w-0", 0)]
    [InlineData("w-17", 17)]
    [InlineData("w", null)]
    [InlineData("w-", null)]
    [InlineData("w-01", null)]
    [InlineData("w-x", null)]
    [InlineData("w-gpu-1", null)]
    [InlineData("x-1", null)]
    [InlineData("w-99999999999", null)]
    public void Ordinals_of_the_StatefulSets_own_pods(string name, int? ordinal) => new ScalingReader(Options, _time).Ordinal(name).ShouldBe(ordinal);

    [Fact]
    public void A_job_needs_its_most_ranks_from_its_submission_to_its_end()
    {
        Need(Job(1, 3)).ShouldBe(3);
        Need(Job(1, 3) with { Phase = JobPhase.Running, Placements = Some.Members("w-0") }).ShouldBe(3);
        Need(Job(1, 3), Job(2, 2)).ShouldBe(5);
        Need(Job(1, 3) with { Phase = JobPhase.Succeeded }).ShouldBe(0);
        // No more than there can be at most, and nothing if not even the fewest ranks fit.
        Need(Job(2, 100)).ShouldBe(8);
        Need(Job(9, 100)).ShouldBe(0);
    }

    [Fact]
    public void A_paused_job_needs_what_it_still_holds()
    {
        Need(Job(1, 3) with { Phase = JobPhase.Paused }).ShouldBe(0);
        Need(Job(1, 3) with { Phase = JobPhase.Running, Wish = JobWish.Pause, Placements = Some.Members("w-0") }).ShouldBe(1);
    }

    [Fact]
    public void Only_jobs_for_the_device_of_its_workers_count_once_that_is_known()
    {
        var reader = new ScalingReader(Options, _time);
        JobView[] jobs = [Job(1, 3) with { Device = "cuda" }, Job(1, 2) with { Device = "cpu" }];

        reader.Read(0, jobs, []).Need.ShouldBe(5);
        reader.Read(1, jobs, [Worker("w-0")]).Need.ShouldBe(2);
        // And it is still known when all are gone.
        reader.Read(0, jobs, []).Need.ShouldBe(2);
    }

    [Fact]
    public void Slots_of_other_workers_are_not_asked_of_the_StatefulSet() =>
        new ScalingReader(Options, _time).Read(1, [Job(1, 3)], [Worker("w-0"), Worker("box", slots: 2)]).Need.ShouldBe(1);

    [Fact]
    public void A_worker_that_can_take_nothing_new_is_worth_what_jobs_hold_of_it()
    {
        var unfit = new WorkerStatus { Unfit = "its storage is away" };
        JobView[] holding = [Job(1, 3) with { Phase = JobPhase.Running, Placements = Some.Members("w-0") }];
        var reader = new ScalingReader(Options, _time);

        reader.Read(1, [Job(1, 2)], [Worker("w-0") with { Status = unfit }]).Workers.Single().Slots.ShouldBe(0);
        reader.Read(1, holding, [Worker("w-0") with { Status = unfit }]).Workers.Single().Slots.ShouldBe(1);
        reader.Read(0, [Job(1, 3)], [Worker("box") with { Status = unfit }]).Need.ShouldBe(3);
        // What it will be like when its pod is started again is not known to be bad.
        reader.Read(1, [Job(1, 2)], [Worker("w-0") with { Status = unfit, Alive = false }]).Workers.Single().Slots.ShouldBe(2);

        var view = reader.Read(1, [Job(1, 2)], [Worker("w-0") with { Status = unfit }]);
        ScalingDecision.Decide(view).Replicas.ShouldBe(2);
    }

    [Fact]
    public void New_workers_are_expected_to_be_like_those_that_were_seen()
    {
        var reader = new ScalingReader(Options, _time);

        reader.Read(0, [], []).SlotsPerWorker.ShouldBe(2);
        reader.Read(1, [], [Worker("w-0", slots: 8)]).SlotsPerWorker.ShouldBe(8);
        reader.Read(0, [], []).SlotsPerWorker.ShouldBe(8);
    }

    [Fact]
    public void Idle_time_counts_from_the_last_time_that_it_was_busy()
    {
        var reader = new ScalingReader(Options, _time);
        JobView[] busy = [Job(1, 1) with { Phase = JobPhase.Preparing, Placements = Some.Members("w-0") }];

        reader.Read(1, busy, [Worker("w-0")]).Workers.Single().IsBusy.ShouldBeTrue();
        _time.Step(TimeSpan.FromMinutes(5));
        reader.Read(1, [], [Worker("w-0")]).Workers.Single().IdleFor.ShouldBeLessThan(TimeSpan.FromMinutes(1));
        _time.Step(TimeSpan.FromMinutes(5));
        reader.Read(1, [], [Worker("w-0")]).Workers.Single().IdleFor.ShouldBeInRange(TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(6));
        reader.Read(1, busy, [Worker("w-0")]);
        reader.Read(1, [], [Worker("w-0")]).Workers.Single().IdleFor.ShouldBeLessThan(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void A_worker_is_busy_with_whatever_it_does_or_may_be_doing()
    {
        IsBusy(Worker("w-0")).ShouldBeFalse();
        IsBusy(Worker("w-0") with { Status = new WorkerStatus { Groups = [Group(MemberCondition.Training)] } }).ShouldBeTrue();
        IsBusy(Worker("w-0") with { Status = new WorkerStatus { Groups = [Group(MemberCondition.Finished)] } }).ShouldBeFalse();
        IsBusy(Worker("w-0") with { Status = new WorkerStatus { Leases = [new ReportedLease { LeaseId = "1", CorpusId = "c", Condition = LeaseCondition.Working }] } }).ShouldBeTrue();
        IsBusy(Worker("w-0") with { Reported = false }).ShouldBeTrue();
        IsBusy(Worker("w-0") with { Reported = false, Alive = false, IsAwaited = true }).ShouldBeTrue();
        IsBusy(Worker("w-0") with { Alive = false }).ShouldBeFalse();
        IsBusy(Worker("w-0") with { Left = true, Alive = false, Reported = false }).ShouldBeFalse();
    }

    [Fact]
    public void A_drain_by_scaling_is_told_from_a_persons()
    {
        var reader = new ScalingReader(Options, _time);
        var own = Worker("w-0") with { Drained = ScalingReader.Mark + " (jobs need 0 slots)" };
        var ours = reader.Read(2, [], [own, Worker("w-1") with { Drained = "person:ada: new kernel" }]).Workers;

        ours.Select(worker => (worker.IsMarked, worker.IsAway)).ShouldBe([(true, false), (false, true)]);
        reader.MarkedInVain(0, [own with { Alive = false, Left = true }]).ShouldBe(["w-0"]);
        reader.MarkedInVain(0, [own]).ShouldBeEmpty();
        reader.MarkedInVain(1, [own with { Alive = false }]).ShouldBeEmpty();
        // Of a StatefulSet that was scaled before.
        reader.MarkedInVain(1, [Worker("old-0") with { Drained = own.Drained }, Worker("old-1") with { Drained = "person:ada" }]).ShouldBe(["old-0"]);
    }

    private bool IsBusy(WorkerView worker) => new ScalingReader(Options, _time).Read(1, [], [worker]).Workers.Single().IsBusy;

    private long Need(params JobView[] jobs) => new ScalingReader(Options, _time).Read(0, jobs, []).Need;

    private static JobView Job(int min, int max) => new()
    {
        JobId = "small-aaaaa",
        Name = "small",
        Phase = JobPhase.Queued,
        JobJson = "{}",
        Submitter = "person:ada",
        RanksMin = min,
        RanksMax = max,
    };

    private static WorkerView Worker(string name, int slots = 2) => new() { Identity = Some.Identity(name, slots), Alive = true, Reported = true };

    private static ReportedGroup Group(MemberCondition condition) => new("small-aaaaa", [new ReportedMember { Member = 1, Condition = condition }]);
}

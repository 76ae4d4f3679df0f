using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Linformer.Chaos;
using Linformer.Chaos.Checks;
using Linformer.Protocol.V1;

namespace Chaos;

/// <summary>Each check finds what it is for, and nothing in a run that went well.</summary>
public sealed class RunChecksTests : IDisposable
{
    private const int Steps = 6;

    private readonly string _folder = Directory.CreateTempSubdirectory("linformer-chaos-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_run_that_went_well_passes()
    {
        var (job, points) = (Job(), Points());

        RunChecks.Succeeded(job).ShouldBeEmpty();
        RunChecks.History(job).ShouldBeEmpty();
        RunChecks.Metrics(job, points).ShouldBeEmpty();
        RunChecks.NothingLost(Seen(points), points, []).ShouldBeEmpty();
        RunChecks.WorldHistory(HistoryFile("""{"from":1,"ranks":3},{"from":4,"ranks":2}"""), points).ShouldBeEmpty();
        RunChecks.NoTelemetryDropped([new Worker { Name = "w1" }]).ShouldBeEmpty();
    }

    [Fact]
    public void A_job_that_failed_or_ended_early_is_found()
    {
        var failed = Job();
        failed.Job.State = JobState.Failed;
        failed.Job.Reason = "no room";
        var early = Job();
        early.Job.CommittedStep--;

        RunChecks.Succeeded(failed).ShouldHaveSingleItem().ShouldContain("no room");
        RunChecks.Succeeded(early).ShouldHaveSingleItem().ShouldContain("5 of 6");
    }

    [Fact]
    public void A_gap_and_a_step_back_in_the_history_are_found()
    {
        var gap = Job();
        gap.History[1].Sequence = 3;
        var back = Job();
        back.History[1].Generation = 0;
        var open = Job();
        open.History.RemoveAt(open.History.Count - 1);

        RunChecks.History(gap).ShouldContain(finding => finding.Contains("entry 3 where 2"));
        RunChecks.History(back).ShouldHaveSingleItem().ShouldContain("generation 0");
        RunChecks.History(open).ShouldHaveSingleItem().ShouldContain("does not end with Succeeded");
    }

    [Fact]
    public void Missing_and_repeated_metric_points_are_found()
    {
        var points = Points();

        RunChecks.Metrics(Job(), [.. points.Where(point => point.Step != 3)]).ShouldHaveSingleItem().ShouldContain("1 steps have no metric point: 3");
        RunChecks.Metrics(Job(), [.. points, points[^1]]).ShouldHaveSingleItem().ShouldContain("more than one metric point: 6");
    }

    [Fact]
    public void A_later_step_of_an_earlier_generation_is_found()
    {
        var points = Points();
        points[^1].Generation = 1;

        RunChecks.Metrics(Job(), points).ShouldHaveSingleItem().ShouldContain("Step 6 is of generation 1");
    }

    [Fact]
    public void A_committed_step_that_was_computed_again_is_found_unless_its_lineage_or_all_ranks_ended()
    {
        var seen = Seen(Points());
        var again = Points();
        again[2].Generation = 2;
        var elsewhere = Points();
        elsewhere[2].Generation = 2;
        elsewhere[2].Lineage = 1;

        RunChecks.NothingLost(seen, again, []).ShouldHaveSingleItem().ShouldContain("step 3 was committed by generation 1, then by 2");
        RunChecks.NothingLost(seen, elsewhere, []).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("1:1@1 2:1@2 3:1@3 4:2@20", 10, "1:1 2:1 3:2 4:2", 0)] // all ranks were killed when it was seen
    [InlineData("1:1@1 2:1@2 3:1@11 4:2@20", 10, "1:1 2:1 3:2 4:2", 0)] // or just before
    [InlineData("1:1@1 2:1@2 3:1@3 4:3@20", 10, "1:1 2:2 3:3 4:3", 0)] // and again before anybody got further
    [InlineData("1:1@1 2:1@2 3:1@3", 10, "1:1 2:1 3:2", 0)] // or until the end
    [InlineData("1:1@1 2:1@2 3:1@13 4:2@20", 10, "1:1 2:1 3:2 4:2", 1)] // it was seen long after that
    [InlineData("1:1@1 2:1@2 3:1@3 4:2@8", 10, "1:1 2:1 3:2 4:2", 1)] // it was lost before
    [InlineData("1:1@1 2:1@2 3:1@3 4:2@20 5:3@30", 10, "1:1 2:3 3:2 4:2 5:3", 1)] // it was lost later, by a generation that had got further
    public void A_blackout_explains_only_what_was_lost_by_it(string seen, long blackout, string points, int found)
    {
        long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
        var steps = seen.Split(' ').Select(text => text.Split(':', '@')).ToImmutableDictionary(
            part => Number(part[0]), part => new SeenStep(0, (int)Number(part[1]), 1, Number(part[2]) * Stopwatch.Frequency));
        var metrics = points.Split(' ').Select(text => text.Split(':')).Select(part => new MetricPoint { Step = Number(part[0]), Generation = (int)Number(part[1]) });

        RunChecks.NothingLost(steps, [.. metrics], [blackout * Stopwatch.Frequency]).Count().ShouldBe(found);
    }

    [Fact]
    public void Another_number_of_ranks_in_the_recorded_history_is_found()
    {
        RunChecks.WorldHistory(HistoryFile("""{"from":1,"ranks":3},{"from":5,"ranks":2}"""), Points()).ShouldHaveSingleItem().ShouldContain("step 4 has 3 and 2");
        RunChecks.WorldHistory(Path.Combine(_folder, "nowhere.json"), Points()).ShouldHaveSingleItem().ShouldContain("not there");
    }

    [Fact]
    public void Dropped_telemetry_is_found() =>
        RunChecks.NoTelemetryDropped([new Worker { Name = "w1", LostMetricPoints = 2 }]).ShouldHaveSingleItem().ShouldContain("w1 dropped 2 metric points");

    [Fact]
    public void Files_with_other_bytes_are_found()
    {
        string[] files = [Path.Combine(_folder, "a"), Path.Combine(_folder, "b"), Path.Combine(_folder, "c")];
        File.WriteAllBytes(files[0], [1, 2, 3]);
        File.WriteAllBytes(files[1], [1, 2, 3]);
        File.WriteAllBytes(files[2], [1, 9, 3]);

        RunChecks.SameBytes(files[0], files[1]).ShouldBeEmpty();
        RunChecks.SameBytes(files[0], files[2]).ShouldHaveSingleItem().ShouldContain("byte 1 of 3");
        RunChecks.SameBytes(files[0], Path.Combine(_folder, "d")).ShouldHaveSingleItem().ShouldContain("not there");
    }

    // Three steps on three ranks, then three on two.
    private static List<MetricPoint> Points() =>
        [.. Enumerable.Range(1, Steps).Select(step => new MetricPoint { Step = step, Generation = step <= 3 ? 1 : 2, WorldSize = step <= 3 ? 3 : 2 })];

    private static ImmutableDictionary<long, SeenStep> Seen(List<MetricPoint> points) =>
        points.ToImmutableDictionary(point => point.Step, point => new SeenStep(point.Lineage, point.Generation, point.WorldSize, SeenAt: 0));

    private static JobDetails Job() => new()
    {
        Job = new Job { State = JobState.Succeeded, CommittedStep = Steps, TotalSteps = Steps, Generation = 2 },
        History =
        {
            new HistoryEntry { Sequence = 1, State = JobState.Running, Generation = 1 },
            new HistoryEntry { Sequence = 2, State = JobState.Running, Generation = 2, Step = 3 },
            new HistoryEntry { Sequence = 3, State = JobState.Succeeded, Generation = 2, Step = Steps },
        },
    };

    private string HistoryFile(string segments)
    {
        var file = Path.Combine(_folder, "history.json");
        File.WriteAllText(file, $$"""{"format":1,"steps":{{Steps}},"segments":[{{segments}}]}""");
        return file;
    }
}

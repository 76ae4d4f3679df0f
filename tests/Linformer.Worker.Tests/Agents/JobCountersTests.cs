using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

public sealed class JobCountersTests
{
    private readonly SteppedTime _time = new();

    [Fact]
    public void AJobThatHasEndedIsShownForAWhileAndThenForgotten()
    {
        var counters = new JobCounters(_time);
        counters.Of("a").StepApplied(0);
        counters.Of("b").Started();
        counters.End("a");
        _time.Step(JobCounters.Shown / 2);
        counters.Read().Select(job => job.Job).Order().ShouldBe(["a", "b"]);
        counters.Read().Single(job => job.Job == "a").Ranks.Single().Steps.ShouldBe(1);
        _time.Step(JobCounters.Shown / 2);
        counters.Read().Select(job => job.Job).ShouldBe(["b"]);
        _time.Step(JobCounters.Shown);
        counters.Read().Single().Starts.ShouldBe(1);
    }

    [Fact]
    public void AJobThatComesBackGoesOnCounting()
    {
        var counters = new JobCounters(_time);
        counters.Of("a").Failed();
        counters.End("a");
        _time.Step(JobCounters.Shown / 2);
        counters.Of("a").Failed();
        _time.Step(JobCounters.Shown * 2);
        counters.Read().Single().Failures.ShouldBe(2);
    }

    [Fact]
    public void ManyJobsThatEndAtOnceDoNotPileUp()
    {
        var counters = new JobCounters(_time);
        foreach (var number in Enumerable.Range(0, JobCounters.MostEnded + 50))
        {
            counters.Of($"job-{number}").Started();
            _time.Step(TimeSpan.FromMilliseconds(1));
            counters.End($"job-{number}");
        }

        var shown = counters.Read().Select(job => job.Job).ToList();
        shown.Count.ShouldBe(JobCounters.MostEnded);
        shown.ShouldContain($"job-{JobCounters.MostEnded + 49}");
        shown.ShouldNotContain("job-49");
    }

    private sealed class SteppedTime : TimeProvider
    {
        private long _now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Step(TimeSpan time) => _now += time.Ticks;
    }
}

using Linformer.Training;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;

namespace Linformer.Worker.Tests.Ranks;

public sealed class StepSamplerTests
{
    private readonly HandSetTime _time = new();
    private readonly StepClock _clock;
    private readonly StepSampler _sampler;
    private readonly List<RankSampleMessage> _sent = [];

    public StepSamplerTests()
    {
        _clock = new StepClock(_time);
        _sampler = new StepSampler(_clock, _time, () => new ProcessMemory(10, 20), _sent.Add);
    }

    [Fact]
    public void ThereIsOneSampleASecondAndALastOneAtTheEnd()
    {
        _time.Pass(5000);
        _sampler.Begin(new JoinMessage(1, 4, 0, 2));
        for (var step = 11; step <= 16; step++)
        {
            Step(step, milliseconds: 400);
        }

        _sampler.End();
        _sampler.End();
        Step(17, milliseconds: 5000);

        _sent.ShouldBe(
        [
            new RankSampleMessage(13, 3, 300, 0, 1.05, 0, 0, 0, 0.15, 10, 20, 1, 4),
            new RankSampleMessage(16, 3, 300, 0, 1.05, 0, 0, 0, 0.15, 10, 20, 1, 4),
        ]);
        _sent.ShouldAllBe(sample => sample.IsPossible);
    }

    [Fact]
    public void AGenerationBeginsAnewAndOneWithoutAStepHasNoSample()
    {
        _sampler.Begin(new JoinMessage(0, 1, 0, 2));
        Step(1, milliseconds: 100);
        _sampler.End();
        _time.Pass(60_000);
        _sampler.Begin(new JoinMessage(0, 2, 0, 2));
        _time.Pass(60_000);
        _sampler.End();
        _sampler.Begin(new JoinMessage(0, 3, 0, 2));
        Step(2, milliseconds: 2000);
        _sampler.End();

        _sent.Select(sample => (sample.Generation, sample.Step, sample.Steps, sample.ForwardSeconds + sample.OtherSeconds)).ShouldBe([(1, 1L, 1, 0.1), (3, 2L, 1, 2.0)]);
    }

    private void Step(long step, int milliseconds)
    {
        _clock.Enter(StepPhase.Forward);
        _time.Pass(milliseconds - 50);
        _clock.StepDone(tokens: 100);
        _time.Pass(50);
        _sampler.StepDone(step);
    }

    private sealed class HandSetTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => _now;

        public void Pass(int milliseconds) => _now += milliseconds;
    }
}

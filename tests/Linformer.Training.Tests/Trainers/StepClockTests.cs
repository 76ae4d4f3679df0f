using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public sealed class StepClockTests
{
    private readonly HandSetTime _time = new();

    [Fact]
    public void A_phase_has_the_time_from_its_beginning_to_that_of_the_next_and_all_are_the_wall_time()
    {
        _time.Pass(1000);
        var clock = new StepClock(_time);
        _time.Pass(1);
        clock.Enter(StepPhase.Data);
        _time.Pass(10);
        clock.Enter(StepPhase.Forward);
        _time.Pass(100);
        clock.Enter(StepPhase.Data);
        _time.Pass(20);
        clock.StepDone(tokens: 7);
        _time.Pass(3);

        clock.Take().ShouldBe(new StepTimes(1, 7, Of(30), Of(100), default, default, default, Of(4)));

        // What was taken counts no more, and the phase goes on.
        clock.Enter(StepPhase.Reduce);
        _time.Pass(5);
        clock.Take().ShouldBe(new StepTimes(0, 0, default, default, default, Of(5), default, default));
        _time.Pass(6);
        clock.Take().Reduce.ShouldBe(Of(6));
    }

    [Fact]
    public void Each_part_of_a_step_counts_where_it_belongs()
    {
        using var task = new LinearTask();
        var group = new FakeGroup(0, 1) { Reducing = () => _time.Pass(1_000) };
        using var trainer = new Trainer(task, TrainerFixture.Default) { Clock = new StepClock(_time), Advanced = () => _time.Pass(100) };
        task.OnTraining = _ => _time.Pass(1);
        task.Factor = _ =>
        {
            _time.Pass(10);
            return 1;
        };
        task.OnHeldOut = (_, _) => _time.Pass(10_000);
        trainer.Join(group);

        trainer.TrainStep();
        trainer.TrainStep();
        trainer.Evaluate();

        // Two steps of four micro-batches each; four batches are held out, each of which advances the trainer too.
        var tokens = 2 * 8 * LinearTask.TokensPerSample;
        trainer.Clock.Take().ShouldBe(new StepTimes(2, tokens, Of(8), Of(80), Of(800), Of(2_000), default, Of(40_000 + 400 + 1_000)));
    }

    // Each reading of the clock takes a second, so that the phases are as long as the places where it is read.
    [Fact]
    public void No_time_of_a_step_is_in_no_phase()
    {
        var time = new HandSetTime { PerReading = 1 };
        using var task = new LinearTask();
        using var trainer = new Trainer(task, TrainerFixture.Default) { Clock = new StepClock(time) };
        trainer.Join(new SingleProcessGroup());
        var before = time.Now;
        trainer.Clock.Take();
        trainer.TrainStep();
        var times = trainer.Clock.Take();
        times.Total.ShouldBe(Of(time.Now - before - 1));
        times.ShouldBe(new StepTimes(1, 8 * LinearTask.TokensPerSample, Of(4), Of(4), Of(5), Of(1), Of(1), Of(2)));
    }

    [Fact]
    public void After_a_step_that_fails_the_time_belongs_to_no_step()
    {
        using var task = new LinearTask();
        using var trainer = new Trainer(task, TrainerFixture.Default) { Clock = new StepClock(_time) };
        trainer.Join(new FakeGroup(0, 1) { Reducing = () => _time.Pass(7), Failure = new TimeoutException() });
        Should.Throw<TimeoutException>(() => trainer.TrainStep());
        trainer.Leave();
        _time.Pass(30);
        trainer.Clock.Take().ShouldBe(new StepTimes(0, 0, default, default, default, Of(7), default, Of(30)));
    }

    [Fact]
    public void A_step_that_is_left_out_counts_and_takes_no_phase()
    {
        using var task = new LinearTask();
        using var trainer = new Trainer(task, TrainerFixture.Default) { Clock = new StepClock(_time), SkippedSteps = new HashSet<long> { 1 } };
        trainer.Join(new SingleProcessGroup());
        trainer.TrainStep();
        trainer.Clock.Take().ShouldBe(new StepTimes(1, 0, default, default, default, default, default, default));
    }

    private static TimeSpan Of(long seconds) => TimeSpan.FromSeconds(seconds);

    private sealed class HandSetTime : TimeProvider
    {
        public long Now { get; private set; }

        public long PerReading { get; init; }

        public override long TimestampFrequency => 1;

        public void Pass(long seconds) => Now += seconds;

        public override long GetTimestamp() => Now += PerReading;
    }
}

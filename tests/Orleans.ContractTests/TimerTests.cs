using Orleans.Concurrency;
using Orleans.Configuration;

namespace Orleans.ContractTests;

public interface ITimedGrain : IGrainWithStringKey
{
    Task Start(int ticks);

    Task StartFailing();

    Task StartSlow();

    Task StartOnce();

    Task StartAndChange();

    Task StartOverloads();

    Task StartQuiet(bool keepAlive);

    Task StartInterleaving();

    Task StartAndWait();

    Task Stop();

    Task Leave();

    [AlwaysInterleave]
    Task Release();

    Task Nothing();
}

public sealed class TimedGrain(Journal journal) : Grain, ITimedGrain
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(10);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IGrainTimer? _timer;
    private int _ticks;
    private bool _inside;

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        journal.Add($"deactivated: {reason.ReasonCode}");
        return Task.CompletedTask;
    }

    public Task Start(int ticks)
    {
        _timer = this.RegisterGrainTimer(
            (limit, token) =>
            {
                journal.Add("tick");
                token.CanBeCanceled.ShouldBeTrue();
                if (++_ticks == limit)
                {
                    _timer!.Dispose();
                    journal.Add(token.IsCancellationRequested ? "disposed and signalled" : "not signalled");
                }

                return Task.CompletedTask;
            },
            ticks,
            new GrainTimerCreationOptions(Soon, Soon));
        return Task.CompletedTask;
    }

    public Task StartFailing()
    {
        this.RegisterGrainTimer(
            () =>
            {
                journal.Add("failing tick");
                throw new InvalidOperationException("tick");
            },
            Soon,
            Soon);
        return Task.CompletedTask;
    }

    public Task StartSlow()
    {
        this.RegisterGrainTimer(
            async _ =>
            {
                journal.Add(_inside ? "overlap" : "slow tick");
                _inside = true;
                await Task.Delay(30, CancellationToken.None);
                _inside = false;
            },
            TimeSpan.Zero,
            TimeSpan.FromMilliseconds(1));
        return Task.CompletedTask;
    }

    public Task StartOnce()
    {
        this.RegisterGrainTimer(
            () =>
            {
                journal.Add("once");
                return Task.CompletedTask;
            },
            Soon,
            Timeout.InfiniteTimeSpan);
        this.RegisterGrainTimer(
            () =>
            {
                journal.Add("never");
                return Task.CompletedTask;
            },
            Timeout.InfiniteTimeSpan,
            Soon);
        return Task.CompletedTask;
    }

    public Task StartAndChange()
    {
        _timer = this.RegisterGrainTimer(
            () =>
            {
                journal.Add("changed tick");
                return Task.CompletedTask;
            },
            TimeSpan.FromHours(1),
            TimeSpan.FromHours(1));
        _timer.Change(Soon, Soon);
        Should.Throw<ArgumentOutOfRangeException>(() => _timer.Change(TimeSpan.FromSeconds(-5), Soon));
        return Task.CompletedTask;
    }

    public Task StartOverloads()
    {
        var options = new GrainTimerCreationOptions { DueTime = Soon, Period = Timeout.InfiniteTimeSpan };
        this.RegisterGrainTimer(() => Note("callback"), options);
        this.RegisterGrainTimer((CancellationToken _) => Note("token"), options);
        this.RegisterGrainTimer((string text) => Note(text), "state", options);
        this.RegisterGrainTimer((string text, CancellationToken _) => Note(text), "state and token", options);
        this.RegisterGrainTimer((string text) => Note(text), "state and times", Soon, Timeout.InfiniteTimeSpan);
        return Task.CompletedTask;
    }

    public Task StartQuiet(bool keepAlive)
    {
        this.RegisterGrainTimer(
            () => Note("quiet"), new GrainTimerCreationOptions { DueTime = Soon, Period = Soon, KeepAlive = keepAlive });
        return Task.CompletedTask;
    }

    public async Task StartInterleaving()
    {
        using var timer = this.RegisterGrainTimer(
            () => Note("interleaved"),
            new GrainTimerCreationOptions { DueTime = Soon, Period = Soon, Interleave = true });
        await _released.Task;
    }

    public async Task StartAndWait()
    {
        this.RegisterGrainTimer(() => Note("tick"), Soon, Soon);
        await Task.Delay(200);
        journal.Add("turn ends");
    }

    public Task Stop()
    {
        _timer!.Dispose();
        return Task.CompletedTask;
    }

    public Task Leave()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task Release()
    {
        _released.TrySetResult();
        return Task.CompletedTask;
    }

    public Task Nothing() => Task.CompletedTask;

    private Task Note(string entry)
    {
        journal.Add(entry);
        return Task.CompletedTask;
    }
}

public class TimerTests
{
    [Fact]
    public async Task A_timer_ticks_until_it_is_disposed_which_signals_its_token()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITimedGrain>("a");

        await grain.Start(3);
        await silo.Journal.WaitForAsync("disposed and signalled");
        await grain.Nothing();

        silo.Journal.Entries.ShouldBe(["tick", "tick", "tick", "disposed and signalled"]);
    }

    [Fact]
    public async Task A_tick_that_throws_does_not_end_the_timer()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITimedGrain>("a").StartFailing();

        await silo.Journal.WaitForAsync("failing tick", 3);
    }

    [Fact]
    public async Task The_next_tick_comes_after_the_callback_has_ended()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITimedGrain>("a").StartSlow();
        await silo.Journal.WaitForAsync("slow tick", 4);

        silo.Journal.Entries.ShouldNotContain("overlap");
    }

    [Fact]
    public async Task A_tick_waits_for_the_turn_that_is_running()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITimedGrain>("a").StartAndWait();
        await silo.Journal.WaitForAsync("tick");

        silo.Journal.Entries[0].ShouldBe("turn ends");
    }

    [Fact]
    public async Task A_tick_that_interleaves_does_not_wait()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITimedGrain>("a");
        var turn = grain.StartInterleaving();

        await silo.Journal.WaitForAsync("interleaved");

        turn.IsCompleted.ShouldBeFalse();
        await grain.Release();
        await turn;
    }

    [Fact]
    public async Task An_infinite_period_is_one_tick_and_an_infinite_due_time_none()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITimedGrain>("a");

        await grain.StartOnce();
        await silo.Journal.WaitForAsync("once");
        await grain.StartOverloads();
        await silo.Journal.WaitForAsync("state and times");

        silo.Journal.Count("once").ShouldBe(1);
        silo.Journal.Count("never").ShouldBe(0);
    }

    [Fact]
    public async Task Change_takes_effect()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITimedGrain>("a").StartAndChange();

        await silo.Journal.WaitForAsync("changed tick", 2);
    }

    [Fact]
    public async Task All_overloads_call_back()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITimedGrain>("a").StartOverloads();

        foreach (var entry in new[] { "callback", "token", "state", "state and token", "state and times" })
        {
            await silo.Journal.WaitForAsync(entry);
        }
    }

    [Fact]
    public async Task Timers_end_with_their_grain()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITimedGrain>("a");
        await grain.StartQuiet(keepAlive: true);
        await silo.Journal.WaitForAsync("quiet");

        await grain.Leave();
        await silo.Journal.WaitForAsync("deactivated: ApplicationRequested");
        var ticks = silo.Journal.Count("quiet");
        await grain.Start(3);
        await silo.Journal.WaitForAsync("disposed and signalled");

        silo.Journal.Count("quiet").ShouldBe(ticks);
    }

    [Fact]
    public async Task A_timer_keeps_its_grain_only_when_told_to()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<GrainCollectionOptions>(options =>
        {
            options.CollectionQuantum = TimeSpan.FromMilliseconds(200);
            // Many times the period of the timer, which a busy machine may hold up.
            options.CollectionAge = TimeSpan.FromMilliseconds(1500);
        }));

        await silo.Grains.GetGrain<ITimedGrain>("kept").StartQuiet(keepAlive: true);
        await silo.Grains.GetGrain<ITimedGrain>("first").StartQuiet(keepAlive: false);
        await silo.Journal.WaitForAsync("deactivated: ActivationIdle");
        await silo.Grains.GetGrain<ITimedGrain>("second").StartQuiet(keepAlive: false);
        await silo.Journal.WaitForAsync("deactivated: ActivationIdle", 2);

        silo.Journal.Count("deactivated: ActivationIdle").ShouldBe(2);
    }

    [Fact]
    public void The_options_are_what_they_are_set_to()
    {
        var options = new GrainTimerCreationOptions(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)) { KeepAlive = true };

        options.DueTime.ShouldBe(TimeSpan.FromSeconds(1));
        options.Period.ShouldBe(TimeSpan.FromSeconds(2));
        options.KeepAlive.ShouldBeTrue();
        options.Interleave.ShouldBeFalse();
    }
}

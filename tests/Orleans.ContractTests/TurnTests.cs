using Orleans.Concurrency;

namespace Orleans.ContractTests;

public interface ITurnsGrain : IGrainWithStringKey
{
    Task<string> Key();

    Task<int> Overlap(int pauses);

    [AlwaysInterleave]
    Task<int> Running();

    Task<bool> StaysOnScheduler();

    Task CallBack(string other, int depth);

    [ResponseTimeout("00:00:05")]
    Task CallBackPatiently(string other);

    Task Park();

    [AlwaysInterleave]
    Task Release();

    Task<string?> Local();

    Task UseServicesOutside();
}

public sealed class TurnsGrain(Journal journal) : Grain, ITurnsGrain
{
    public static readonly AsyncLocal<string?> Caller = new();

    private readonly TaskCompletionSource _parked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;
    private int _most;

    public Task<string> Key() => Task.FromResult(this.GetPrimaryKeyString());

    public async Task<int> Overlap(int pauses)
    {
        _running++;
        for (var i = 0; i < pauses; i++)
        {
            _most = Math.Max(_most, _running);
            await Task.Delay(1);
        }

        _running--;
        return _most;
    }

    public Task<int> Running() => Task.FromResult(_running);

    public async Task<bool> StaysOnScheduler()
    {
        var before = TaskScheduler.Current;
        await Task.Run(() => { });
        return TaskScheduler.Current == before && before != TaskScheduler.Default;
    }

    public async Task CallBack(string other, int depth)
    {
        journal.Add($"called {this.GetPrimaryKeyString()}");
        if (depth > 0)
        {
            await GrainFactory.GetGrain<ITurnsGrain>(other).CallBack(this.GetPrimaryKeyString(), depth - 1);
        }
    }

    public Task CallBackPatiently(string other) => CallBack(other, 2);

    public async Task Park()
    {
        _running++;
        journal.Add("parked");
        await _parked.Task;
        _running--;
    }

    public Task Release()
    {
        _parked.TrySetResult();
        return Task.CompletedTask;
    }

    public Task<string?> Local() => Task.FromResult(Caller.Value);

    public async Task UseServicesOutside()
    {
        await Should.ThrowAsync<InvalidOperationException>(() => Task.Run(() => GrainFactory));
        await Should.ThrowAsync<InvalidOperationException>(
            () => Task.Run(() => this.RegisterGrainTimer(() => Task.CompletedTask, TimeSpan.Zero, TimeSpan.Zero)));
        GrainFactory.ShouldNotBeNull();
    }
}

internal interface IInsideGrain : IGrainWithIntegerKey
{
    Task<int> Add(int number);

    Task Leave();
}

internal sealed class InsideGrain(Journal journal) : Grain, IInsideGrain
{
    private int _inside;

    public async Task<int> Add(int number)
    {
        if (Interlocked.Increment(ref _inside) != 1)
        {
            journal.Add("overlap");
        }

        await Task.Yield();
        Interlocked.Decrement(ref _inside);
        return number + 1;
    }

    public Task Leave()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}

public class TurnTests
{
    [Fact]
    public async Task No_call_is_lost_among_many_while_grains_leave_and_come()
    {
        await using var silo = await TestSilo.StartAsync();

        var sums = await Task.WhenAll(Enumerable.Range(0, 8).Select(CallManyTimes));

        sums.ShouldAllBe(sum => sum == 200);
        silo.Journal.Entries.ShouldBeEmpty();

        async Task<int> CallManyTimes(int caller)
        {
            var sum = 0;
            for (var i = 0; i < 200; i++)
            {
                var grain = silo.Grains.GetGrain<IInsideGrain>(i % 4);
                sum = await grain.Add(sum);
                if (caller == 0 && i % 20 == 0)
                {
                    await grain.Leave();
                }
            }

            return sum;
        }
    }

    [Fact]
    public async Task A_grain_is_addressed_by_its_key()
    {
        await using var silo = await TestSilo.StartAsync();

        (await silo.Grains.GetGrain<ITurnsGrain>("a").Key()).ShouldBe("a");
        (await silo.Grains.GetGrain<ITurnsGrain>("b").Key()).ShouldBe("b");
    }

    [Fact]
    public async Task Turns_of_a_grain_do_not_overlap_even_across_awaits()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITurnsGrain>("a");

        var most = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => grain.Overlap(3)));

        most.ShouldAllBe(value => value == 1);
    }

    [Fact]
    public async Task An_await_comes_back_to_the_scheduler_of_the_grain()
    {
        await using var silo = await TestSilo.StartAsync();

        (await silo.Grains.GetGrain<ITurnsGrain>("a").StaysOnScheduler()).ShouldBeTrue();
    }

    [Fact]
    public async Task Async_locals_of_the_caller_do_not_reach_the_grain()
    {
        await using var silo = await TestSilo.StartAsync();
        TurnsGrain.Caller.Value = "caller";

        (await silo.Grains.GetGrain<ITurnsGrain>("a").Local()).ShouldBeNull();
    }

    [Fact]
    public async Task What_belongs_to_the_grain_is_not_used_from_outside_its_turns()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grains.GetGrain<ITurnsGrain>("a").UseServicesOutside();
    }

    [Fact]
    public async Task A_method_that_always_interleaves_runs_during_another_turn()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITurnsGrain>("a");
        var parked = grain.Park();
        await silo.Journal.WaitForAsync("parked");

        (await grain.Running()).ShouldBe(1);
        await grain.Release();

        await parked;
    }

    [Fact]
    public async Task A_cycle_of_calls_ends_in_a_timeout()
    {
        await using var silo = await TestSilo.StartAsync(TimeSpan.FromSeconds(1));

        await Should.ThrowAsync<TimeoutException>(() => silo.Grains.GetGrain<ITurnsGrain>("a").CallBackPatiently("b"));
    }

    [Fact]
    public async Task A_call_times_out_and_the_callee_goes_on()
    {
        await using var silo = await TestSilo.StartAsync(TimeSpan.FromSeconds(1));
        var grain = silo.Grains.GetGrain<ITurnsGrain>("a");

        await Should.ThrowAsync<TimeoutException>(grain.Park);

        (await grain.Running()).ShouldBe(1);
        await grain.Release();
        (await grain.Key()).ShouldBe("a");
        (await grain.Running()).ShouldBe(0);
    }

    [Fact]
    public async Task A_request_that_expired_in_the_queue_is_not_run()
    {
        await using var silo = await TestSilo.StartAsync(TimeSpan.FromSeconds(1));
        var grain = silo.Grains.GetGrain<ITurnsGrain>("a");
        var parked = grain.Park();
        await silo.Journal.WaitForAsync("parked");

        await Should.ThrowAsync<TimeoutException>(() => grain.CallBack("b", 0));
        await Should.ThrowAsync<TimeoutException>(() => parked);
        await grain.Release();
        await grain.Key();

        silo.Journal.Entries.ShouldBe(["parked"]);
    }
}

using Orleans.Concurrency;
using Orleans.Configuration;

namespace Orleans.ContractTests;

public interface ICancellableGrain : IGrainWithStringKey
{
    Task WaitForToken(CancellationToken cancellationToken);

    Task<bool> CanBeCanceled(CancellationToken cancellationToken = default);

    Task Note(string entry, CancellationToken cancellationToken);

    Task WaitForRelease(CancellationToken cancellationToken);

    [AlwaysInterleave]
    Task Release();

    Task WatchToken(CancellationToken cancellationToken);
}

public sealed class CancellableGrain(Journal journal) : Grain, ICancellableGrain
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task WaitForToken(CancellationToken cancellationToken)
    {
        journal.Add("waiting");
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            journal.Add("callee was signalled");
            throw;
        }
    }

    public Task<bool> CanBeCanceled(CancellationToken cancellationToken = default) => Task.FromResult(cancellationToken.CanBeCanceled);

    public Task Note(string entry, CancellationToken cancellationToken)
    {
        journal.Add(entry);
        return Task.CompletedTask;
    }

    public async Task WaitForRelease(CancellationToken cancellationToken)
    {
        await _released.Task;
        journal.Add(cancellationToken.IsCancellationRequested ? "signalled" : "not signalled");
    }

    public Task Release()
    {
        _released.TrySetResult();
        return Task.CompletedTask;
    }

    public async Task WatchToken(CancellationToken cancellationToken)
    {
        var scheduler = TaskScheduler.Current;
        await using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                journal.Add(TaskScheduler.Current == scheduler ? "heard on the scheduler" : "heard elsewhere");
                _released.TrySetResult();
            },
            state: null);
        journal.Add("watching");
        await _released.Task;
    }
}

public class CancellationTests
{
    [Fact]
    public async Task A_cancelled_caller_stops_waiting_and_the_callee_is_signalled()
    {
        await using var silo = await TestSilo.StartAsync();
        using var source = new CancellationTokenSource();
        var call = silo.Grains.GetGrain<ICancellableGrain>("a").WaitForToken(source.Token);
        await silo.Journal.WaitForAsync("waiting");

        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => call);
        call.IsCanceled.ShouldBeTrue();
        await silo.Journal.WaitForAsync("callee was signalled");
    }

    [Fact]
    public async Task A_call_with_a_cancelled_token_is_not_sent()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ICancellableGrain>("a");

        await Should.ThrowAsync<OperationCanceledException>(async () => await grain.Note("sent", new CancellationToken(canceled: true)));
        await grain.CanBeCanceled();

        silo.Journal.Entries.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_cancelled_request_that_waits_in_the_queue_is_not_run()
    {
        await using var silo = await TestSilo.StartAsync();
        using var blocking = new CancellationTokenSource();
        using var waiting = new CancellationTokenSource();
        var grain = silo.Grains.GetGrain<ICancellableGrain>("a");
        var first = grain.WaitForToken(blocking.Token);
        await silo.Journal.WaitForAsync("waiting");
        var second = grain.Note("second", waiting.Token);

        await waiting.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => second);
        await blocking.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => first);
        await grain.Note("third", CancellationToken.None);

        silo.Journal.Entries.ShouldNotContain("second");
        silo.Journal.Entries.ShouldContain("third");
    }

    [Fact]
    public async Task Cancellation_passes_through_a_chain_of_grains()
    {
        await using var silo = await TestSilo.StartAsync();
        using var source = new CancellationTokenSource();
        var call = silo.Grains.GetGrain<IChainGrain>("a").Wait("b", source.Token);
        await silo.Journal.WaitForAsync("waiting");

        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => call);
        await silo.Journal.WaitForAsync("callee was signalled");
    }

    [Fact]
    public async Task A_timeout_signals_the_callee_when_told_to()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options =>
        {
            options.ResponseTimeout = TimeSpan.FromSeconds(1);
            options.CancelRequestOnTimeout = true;
        }));

        await Should.ThrowAsync<TimeoutException>(() => silo.Grains.GetGrain<ICancellableGrain>("a").WaitForToken(CancellationToken.None));

        await silo.Journal.WaitForAsync("callee was signalled");
    }

    [Fact]
    public async Task The_callee_hears_of_cancellation_in_a_turn_of_its_own()
    {
        await using var silo = await TestSilo.StartAsync();
        using var source = new CancellationTokenSource();
        var call = silo.Grains.GetGrain<ICancellableGrain>("a").WatchToken(source.Token);
        await silo.Journal.WaitForAsync("watching");

        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => call);
        await silo.Journal.WaitForAsync("heard on the scheduler");
    }

    [Fact]
    public async Task A_timeout_does_not_signal_the_callee()
    {
        await using var silo = await TestSilo.StartAsync(TimeSpan.FromSeconds(1));
        using var source = new CancellationTokenSource();

        var grain = silo.Grains.GetGrain<ICancellableGrain>("a");

        await Should.ThrowAsync<TimeoutException>(() => grain.WaitForRelease(source.Token));
        await grain.Release();

        await silo.Journal.WaitForAsync("not signalled");
    }
}

public interface IChainGrain : IGrainWithStringKey
{
    Task Wait(string next, CancellationToken cancellationToken);
}

public sealed class ChainGrain : Grain, IChainGrain
{
    public Task Wait(string next, CancellationToken cancellationToken) =>
        GrainFactory.GetGrain<ICancellableGrain>(next).WaitForToken(cancellationToken);
}

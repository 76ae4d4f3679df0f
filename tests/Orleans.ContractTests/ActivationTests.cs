using Microsoft.Extensions.DependencyInjection;
using Orleans.Concurrency;
using Orleans.Configuration;

namespace Orleans.ContractTests;

public sealed class Scoped : IDisposable
{
    private readonly Journal _journal;

    public Scoped(Journal journal) => _journal = journal;

    public void Dispose() => _journal.Add("scope disposed");
}

public interface ILifeGrain : IGrainWithStringKey
{
    Task<string> Instance();

    Task Leave();

    Task LeaveWhenReleased();

    [AlwaysInterleave]
    Task Release();

    Task Delay(TimeSpan time);
}

public class LifeGrain(Journal journal, Scoped scoped) : Grain, ILifeGrain, IDisposable
{
    private readonly string _instance = Guid.NewGuid().ToString();
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected Journal Journal => journal;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        journal.Add($"activated {this.GetPrimaryKeyString()}");
        ServiceProvider.GetRequiredService<Scoped>().ShouldBeSameAs(scoped);
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        journal.Add($"deactivated {this.GetPrimaryKeyString()}: {reason.ReasonCode}");
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        journal.Add("grain disposed");
        GC.SuppressFinalize(this);
    }

    public Task<string> Instance() => Task.FromResult(_instance);

    public Task Leave()
    {
        DeactivateOnIdle();
        journal.Add("still here");
        return Task.CompletedTask;
    }

    public async Task LeaveWhenReleased()
    {
        journal.Add("leaving");
        await _released.Task;
        DeactivateOnIdle();
    }

    public Task Release()
    {
        _released.TrySetResult();
        return Task.CompletedTask;
    }

    public Task Delay(TimeSpan time)
    {
        DelayDeactivation(time);
        return Task.CompletedTask;
    }
}

public interface IKeptGrain : ILifeGrain;

[KeepAlive]
public sealed class KeptGrain(Journal journal, Scoped scoped) : LifeGrain(journal, scoped), IKeptGrain;

public interface IBrokenGrain : IGrainWithStringKey
{
    Task Nothing();
}

public sealed class BrokenGrain(Journal journal) : Grain, IBrokenGrain
{
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        journal.Add("tried");
        return journal.Count("tried") < 3 ? throw new OutOfPaperException("not yet", 4) : Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        journal.Add("deactivated");
        return Task.CompletedTask;
    }

    public Task Nothing() => Task.CompletedTask;
}

public interface IUnconstructibleGrain : IGrainWithStringKey
{
    Task Nothing();
}

public sealed class UnconstructibleGrain : Grain, IUnconstructibleGrain
{
    public UnconstructibleGrain(Journal journal)
    {
        journal.Add("constructed");
        throw new OutOfPaperException("no grain today", 5);
    }

    public Task Nothing() => Task.CompletedTask;
}

public interface ILeavesAtOnceGrain : IGrainWithStringKey
{
    Task Nothing();
}

public sealed class LeavesAtOnceGrain(Journal journal) : Grain, ILeavesAtOnceGrain
{
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        journal.Add("activated");
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task Nothing() => Task.CompletedTask;
}

public class ActivationTests
{
    [Fact]
    public async Task A_grain_is_activated_once_and_its_services_are_its_own()
    {
        await using var silo = await StartAsync();

        var instances = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => silo.Grains.GetGrain<ILifeGrain>("a").Instance()));

        instances.Distinct().Count().ShouldBe(1);
        silo.Journal.Entries.ShouldBe(["activated a"]);
    }

    [Fact]
    public async Task Deactivation_comes_after_the_turn_and_the_next_call_activates_anew()
    {
        await using var silo = await StartAsync();
        var grain = silo.Grains.GetGrain<ILifeGrain>("a");
        var first = await grain.Instance();

        await grain.Leave();

        (await grain.Instance()).ShouldNotBe(first);
        await silo.Journal.WaitForAsync("scope disposed");
        silo.Journal.Entries[..3].ShouldBe(["activated a", "still here", "deactivated a: ApplicationRequested"]);
        silo.Journal.Entries.ShouldContain("grain disposed");
        silo.Journal.Count("activated a").ShouldBe(2);
    }

    [Fact]
    public async Task Requests_that_wait_when_a_grain_leaves_go_to_the_next_activation()
    {
        await using var silo = await StartAsync();
        var grain = silo.Grains.GetGrain<ILifeGrain>("a");
        var first = await grain.Instance();
        var leaving = grain.LeaveWhenReleased();
        await silo.Journal.WaitForAsync("leaving");
        var waiting = grain.Instance();

        await grain.Release();

        await leaving;
        (await waiting).ShouldNotBe(first);
    }

    [Fact]
    public async Task Grains_are_deactivated_when_the_silo_stops()
    {
        var silo = await StartAsync();
        await silo.Grains.GetGrain<ILifeGrain>("a").Instance();
        await silo.Grains.GetGrain<ILifeGrain>("b").Instance();
        var journal = silo.Journal;

        await silo.StopAsync();

        journal.Entries.ShouldContain("deactivated a: ShuttingDown");
        journal.Entries.ShouldContain("deactivated b: ShuttingDown");
        await silo.DisposeAsync();
    }

    [Fact]
    public async Task A_failed_activation_reaches_the_caller_and_the_next_call_tries_again()
    {
        await using var silo = await StartAsync();
        var grain = silo.Grains.GetGrain<IBrokenGrain>("a");

        (await Should.ThrowAsync<OutOfPaperException>(grain.Nothing)).Sheets.ShouldBe(4);
        await Should.ThrowAsync<OutOfPaperException>(grain.Nothing);
        await grain.Nothing();

        silo.Journal.Entries.ShouldBe(["tried", "tried", "tried"]);
    }

    [Fact]
    public async Task A_constructor_that_throws_reaches_the_caller()
    {
        await using var silo = await StartAsync();

        var exception = await Should.ThrowAsync<InvalidOperationException>(() => silo.Grains.GetGrain<IUnconstructibleGrain>("a").Nothing());

        exception.InnerException.ShouldBeOfType<OutOfPaperException>().Message.ShouldBe("no grain today");
    }

    [Fact]
    public async Task A_service_that_is_not_registered_fails_the_activation()
    {
        await using var silo = await TestSilo.StartAsync();

        var exception = await Should.ThrowAsync<InvalidOperationException>(silo.Grains.GetGrain<ILifeGrain>("a").Instance);

        exception.InnerException.ShouldBeOfType<InvalidOperationException>().Message.ShouldContain(nameof(Scoped));
    }

    [Fact]
    public async Task A_request_is_sent_on_only_so_often()
    {
        await using var silo = await TestSilo.StartAsync();

        await Should.ThrowAsync<OrleansMessageRejectionException>(silo.Grains.GetGrain<ILeavesAtOnceGrain>("a").Nothing);

        silo.Journal.Count("activated").ShouldBe(3);
    }

    [Fact]
    public async Task An_idle_grain_is_deactivated_unless_it_is_kept()
    {
        await using var silo = await StartAsync(builder => builder.Configure<GrainCollectionOptions>(options =>
        {
            options.CollectionQuantum = TimeSpan.FromMilliseconds(200);
            options.CollectionAge = TimeSpan.FromMilliseconds(400);
        }));
        await silo.Grains.GetGrain<ILifeGrain>("delayed").Delay(TimeSpan.FromMinutes(10));
        await silo.Grains.GetGrain<IKeptGrain>("kept").Instance();
        await silo.Grains.GetGrain<ILifeGrain>("a").Instance();

        await silo.Journal.WaitForAsync("deactivated a: ActivationIdle");

        // By the time that a second one comes and goes, the others would be gone as well.
        await silo.Grains.GetGrain<ILifeGrain>("b").Instance();
        await silo.Journal.WaitForAsync("deactivated b: ActivationIdle");
        silo.Journal.Entries.ShouldNotContain("deactivated kept: ActivationIdle");
        silo.Journal.Entries.ShouldNotContain("deactivated delayed: ActivationIdle");
    }

    [Fact]
    public async Task A_call_after_the_silo_has_stopped_fails()
    {
        var silo = await StartAsync();
        var grain = silo.Grains.GetGrain<ILifeGrain>("a");
        await grain.Instance();
        await silo.StopAsync();

        await Should.ThrowAsync<SiloUnavailableException>(grain.Instance);
        await silo.DisposeAsync();
    }

    private static Task<TestSilo> StartAsync(Action<ISiloBuilder>? configure = null) => TestSilo.StartAsync(builder =>
    {
        builder.Services.AddScoped<Scoped>();
        configure?.Invoke(builder);
    });
}

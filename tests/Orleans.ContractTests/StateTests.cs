using Microsoft.Extensions.DependencyInjection;
using Orleans.Concurrency;
using Orleans.Runtime.Hosting;
using Orleans.Storage;

namespace Orleans.ContractTests;

[GenerateSerializer]
public sealed class Tally
{
    [Id(0)]
    public int Count { get; set; }

    [Id(1)]
    public List<string> Names { get; set; } = [];
}

[GenerateSerializer]
public sealed record Setting(string Value);

public interface ITallyGrain : IGrainWithStringKey
{
    Task<int> Count();

    Task<(bool Exists, string? Etag)> Record();

    Task Add(int number);

    Task AddWithToken(int number, CancellationToken cancellationToken);

    Task Reload();

    Task Clear();

    Task<bool> AddCatching(int number);

    Task WriteThrice();

    Task<bool> StateOutsideThrows();

    [AlwaysInterleave]
    Task<int> Unsaved();

    Task<string> SettingIsNull();
}

public sealed class TallyGrain(
    [PersistentState("tally", "store")] IPersistentState<Tally> tally,
    [PersistentState("setting", "store")] IPersistentState<Setting> setting,
    Journal journal) : Grain, ITallyGrain
{
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        journal.Add($"activated with {tally.State.Count}");
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        journal.Add($"deactivated: {reason.ReasonCode}");
        return Task.CompletedTask;
    }

    public Task<int> Count() => Task.FromResult(tally.State.Count);

    public Task<(bool Exists, string? Etag)> Record() => Task.FromResult((tally.RecordExists, tally.Etag));

    public Task Add(int number)
    {
        tally.State.Count += number;
        return tally.WriteStateAsync();
    }

    public Task AddWithToken(int number, CancellationToken cancellationToken)
    {
        tally.State.Count += number;
        return tally.WriteStateAsync(cancellationToken);
    }

    public Task Reload() => tally.ReadStateAsync();

    public Task Clear() => tally.ClearStateAsync();

    public async Task<bool> AddCatching(int number)
    {
        try
        {
            await Add(number);
            return true;
        }
        catch (InconsistentStateException)
        {
            return false;
        }
    }

    public async Task WriteThrice()
    {
        var writes = new List<Task>();
        for (var i = 0; i < 3; i++)
        {
            tally.State.Count++;
            writes.Add(tally.WriteStateAsync());
        }

        await Task.WhenAll(writes);
    }

    public async Task<bool> StateOutsideThrows()
    {
        try
        {
            await Task.Run(() => tally.State.Count);
            return false;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }

    public Task<int> Unsaved() => Task.FromResult(tally.State.Count);

    public Task<string> SettingIsNull() => Task.FromResult(setting.State.Value is null ? "null" : setting.State.Value);
}

public interface IThroughGrain : IGrainWithStringKey
{
    Task Add(string tally, int number);

    Task<string> Instance();
}

public sealed class ThroughGrain : Grain, IThroughGrain
{
    private readonly string _instance = Guid.NewGuid().ToString();

    public Task Add(string tally, int number) => GrainFactory.GetGrain<ITallyGrain>(tally).Add(number);

    public Task<string> Instance() => Task.FromResult(_instance);
}

public interface IEarlyGrain : IGrainWithStringKey
{
    Task<string> InConstructor();

    Task ReplaceAndWrite(int count);
}

public sealed class EarlyGrain : Grain, IEarlyGrain
{
    private readonly IPersistentState<Tally> _tally;
    private readonly string _seen;

    public EarlyGrain([PersistentState("early", "store")] IPersistentState<Tally> tally)
    {
        _tally = tally;
        _seen = tally.State is null ? "nothing" : "something";
        Should.Throw<InvalidOperationException>(() => tally.RecordExists);
        this.GetPrimaryKeyString().ShouldBe("a");
    }

    public Task<string> InConstructor() => Task.FromResult(_seen);

    public Task ReplaceAndWrite(int count)
    {
        _tally.State = new Tally { Count = count };
        return _tally.WriteStateAsync();
    }
}

public interface INoStoreGrain : IGrainWithStringKey
{
    Task Nothing();
}

public sealed class NoStoreGrain([PersistentState("tally", "missing")] IPersistentState<Tally> tally) : Grain, INoStoreGrain
{
    public Task Nothing() => Task.FromResult(tally.State);
}

public class StateTests
{
    private static readonly GrainId Id = GrainId.Create("tally", "a");

    [Fact]
    public async Task State_is_read_on_activation_and_written_with_its_etag()
    {
        var store = new MemoryStore();
        await using (var first = await TestSilo.StartAsync(store: store))
        {
            var grain = first.Grains.GetGrain<ITallyGrain>("a");
            (await grain.Record()).ShouldBe((false, null));
            await grain.Add(2);
            (await grain.Record()).ShouldBe((true, "1"));
        }

        await using var second = await TestSilo.StartAsync(store: store);

        (await second.Grains.GetGrain<ITallyGrain>("a").Count()).ShouldBe(2);
        second.Journal.Entries.ShouldBe(["activated with 2"]);
        store.Operations.ShouldContain("read tally tally/a");
        store.Operations.ShouldContain("read setting tally/a");
        store.Operations.ShouldContain("write tally tally/a");
    }

    [Fact]
    public async Task A_conflict_deactivates_the_grain_and_the_next_call_reads_again()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Add(1);
        silo.Store.Overwrite("tally", Id, new Tally { Count = 100 });

        var conflict = await Should.ThrowAsync<InconsistentStateException>(() => grain.Add(1));

        conflict.StoredEtag.ShouldBe("other");
        conflict.CurrentEtag.ShouldBe("1");
        (await grain.Count()).ShouldBe(100);
        silo.Journal.Entries.ShouldBe(["activated with 0", "deactivated: ApplicationError", "activated with 100"]);
    }

    [Fact]
    public async Task A_conflict_that_the_grain_catches_does_not_deactivate_it()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Add(1);
        silo.Store.Overwrite("tally", Id, new Tally { Count = 100 });

        (await grain.AddCatching(1)).ShouldBeFalse();

        (await grain.Count()).ShouldBe(2);
        await grain.Reload();
        (await grain.Count()).ShouldBe(100);
        silo.Journal.Entries.ShouldBe(["activated with 0"]);
    }

    [Fact]
    public async Task A_conflict_that_passes_through_another_grain_leaves_that_one_alone()
    {
        await using var silo = await TestSilo.StartAsync();
        var through = silo.Grains.GetGrain<IThroughGrain>("t");
        var instance = await through.Instance();
        await through.Add("a", 1);
        silo.Store.Overwrite("tally", Id, new Tally { Count = 100 });

        await Should.ThrowAsync<InconsistentStateException>(() => through.Add("a", 1));

        (await through.Instance()).ShouldBe(instance);
        (await silo.Grains.GetGrain<ITallyGrain>("a").Count()).ShouldBe(100);
    }

    [Fact]
    public async Task State_is_not_there_yet_in_the_constructor_and_may_be_replaced()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<IEarlyGrain>("a");

        (await grain.InConstructor()).ShouldBe("nothing");
        await grain.ReplaceAndWrite(9);

        ((Tally)silo.Store.Get("early", GrainId.Create("early", "a"))!).Count.ShouldBe(9);
    }

    [Fact]
    public async Task An_exception_of_Orleans_from_the_storage_passes_as_it_is()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Count();
        silo.Store.Failure = new BadProviderConfigException("as it is");

        (await Should.ThrowAsync<BadProviderConfigException>(() => grain.Add(1))).ShouldBeSameAs(silo.Store.Failure);
        silo.Store.Failure = null;
    }

    [Fact]
    public async Task A_cleared_record_is_written_anew()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Add(3);
        await grain.Clear();

        await grain.Add(4);

        (await grain.Count()).ShouldBe(4);
        (await grain.Record()).Exists.ShouldBeTrue();
    }

    [Fact]
    public async Task Clearing_removes_the_record()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Add(3);

        await grain.Clear();

        (await grain.Record()).ShouldBe((false, null));
        (await grain.Count()).ShouldBe(0);
        silo.Store.Get("tally", Id).ShouldBeNull();
    }

    [Fact]
    public async Task An_error_of_the_storage_arrives_as_an_OrleansException_with_the_error_inside()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Count();
        silo.Store.Failure = new IOException("disk full");

        var exception = await Should.ThrowAsync<OrleansException>(() => grain.Add(1));

        exception.InnerException.ShouldBeOfType<IOException>().Message.ShouldBe("disk full");
        silo.Store.Failure = null;
        (await grain.Count()).ShouldBe(1);
    }

    [Fact]
    public async Task An_error_of_the_storage_on_activation_reaches_the_caller()
    {
        await using var silo = await TestSilo.StartAsync();
        silo.Store.Failure = new IOException("disk gone");
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");

        var exception = await Should.ThrowAsync<OrleansException>(grain.Count);

        exception.InnerException.ShouldBeOfType<IOException>();
        silo.Store.Failure = null;
        (await grain.Count()).ShouldBe(0);
    }

    [Fact]
    public async Task Writes_of_one_turn_are_merged()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");

        await grain.WriteThrice();

        silo.Store.Operations.Count(operation => operation == "write tally tally/a").ShouldBe(1);
        ((Tally)silo.Store.Get("tally", Id)!).Count.ShouldBe(3);
    }

    [Fact]
    public async Task A_write_takes_a_token()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");

        await grain.AddWithToken(5, CancellationToken.None);

        ((Tally)silo.Store.Get("tally", Id)!).Count.ShouldBe(5);
    }

    [Fact]
    public async Task State_is_not_touched_from_outside_the_grain()
    {
        await using var silo = await TestSilo.StartAsync();

        (await silo.Grains.GetGrain<ITallyGrain>("a").StateOutsideThrows()).ShouldBeTrue();
    }

    [Fact]
    public async Task A_turn_waits_for_a_slow_write()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grains.GetGrain<ITallyGrain>("a");
        await grain.Count();
        var gate = new TaskCompletionSource();
        silo.Store.Gate = gate.Task;
        var add = grain.Add(1);
        var count = grain.Count();

        (await grain.Unsaved()).ShouldBe(1);
        count.IsCompleted.ShouldBeFalse();
        gate.SetResult();

        await add;
        (await count).ShouldBe(1);
    }

    [Fact]
    public async Task State_of_a_type_without_parameterless_constructor_starts_empty()
    {
        await using var silo = await TestSilo.StartAsync();

        (await silo.Grains.GetGrain<ITallyGrain>("a").SettingIsNull()).ShouldBe("null");
    }

    [Fact]
    public async Task A_missing_storage_provider_fails_the_activation()
    {
        await using var silo = await TestSilo.StartAsync();

        var exception = await Should.ThrowAsync<InvalidOperationException>(() => silo.Grains.GetGrain<INoStoreGrain>("a").Nothing());

        exception.GetBaseException().ShouldBeOfType<BadProviderConfigException>().Message.ShouldContain("missing");
    }

    [Fact]
    public async Task The_provider_is_a_keyed_service()
    {
        await using var silo = await TestSilo.StartAsync(builder =>
            builder.Services.AddGrainStorage("second", (_, name) => new MemoryStore { Failure = new IOException(name) }));

        silo.Services.GetRequiredKeyedService<IGrainStorage>("store").ShouldBeSameAs(silo.Store);
        silo.Services.GetRequiredKeyedService<IGrainStorage>("second").ShouldBeOfType<MemoryStore>().Failure!.Message.ShouldBe("second");
    }
}

using System.Text.Json;
using Orleans.Concurrency;

namespace Orleans.ContractTests;

[GenerateSerializer]
public enum Colour
{
    Red,
    Green,
}

#pragma warning disable ORLEANS0004 // Members without an id are what is tested.
[GenerateSerializer, Alias("test.record")]
public sealed record PositionalRecord(string Name, int Count, List<string> Items)
{
    public string? NotCarried { get; set; }

    [Id(0)]
    public string? Carried { get; init; }
}

[GenerateSerializer]
public sealed class Members
{
    [Id(0)]
    private int _field = 1;

    [Id(1)]
    public string? Name { get; set; }

    [Id(2)]
    public IReadOnlyList<int> Numbers { get; init; } = [];

    [Id(3)]
    public Members? Next { get; set; }

    [Id(4)]
    public Colour Colour { get; set; }

    [Id(5)]
    public int? Maybe { get; set; }

    public string NotCarried { get; set; } = "from the constructor";

    public int Field
    {
        get => _field;
        set => _field = value;
    }
}

#pragma warning restore ORLEANS0004
[GenerateSerializer]
public class Animal
{
    [Id(0)]
    public string? Name { get; set; }
}

[GenerateSerializer]
public sealed class Dog : Animal
{
    [Id(0)]
    public int Legs { get; set; }
}

[GenerateSerializer]
public abstract record Event
{
    [Id(0)]
    public int Number { get; init; }
}

[GenerateSerializer]
public sealed record Started(string By) : Event;

[GenerateSerializer]
public record struct Point(int X, int Y)
{
    [Id(0)]
    public List<int>? Tail { get; set; }
}

[GenerateSerializer, Immutable]
public sealed class Frozen
{
    [Id(0)]
    public int[] Values { get; init; } = [];
}

[GenerateSerializer]
public sealed class PrimaryConstructor(string name)
{
    [Id(0)]
    public string Name { get; } = name;
}

[GenerateSerializer]
public sealed class Box<T>
{
    [Id(0)]
    public T? Value { get; set; }

    [Id(1)]
    private readonly List<T> _values = [];

    public List<T> Values => _values;
}

[GenerateSerializer]
public abstract record Shape(string Name, List<int> Sizes);

[GenerateSerializer]
public sealed record Circle(string Name, List<int> Sizes, double Radius) : Shape(Name, Sizes);

[GenerateSerializer, Immutable]
public class OpenImmutable
{
    [Id(0)]
    public int[] Values { get; init; } = [];
}

[GenerateSerializer]
public sealed class HoldsImmutable
{
    [Id(0), Immutable]
    public List<int> Shared { get; set; } = [];

    [Id(1)]
    public List<int> Copied { get; set; } = [];

    [Id(2)]
    public Point? Point { get; set; }

    [Id(3)]
    public IReadOnlyDictionary<string, Point> Points { get; set; } = new Dictionary<string, Point>();

    [Id(4)]
    public object? Any { get; set; }

    [Id(5)]
    public Colour[] Colours { get; set; } = [];
}

[GenerateSerializer]
public sealed class WithPlainBase : PlainBase
{
    [Id(0)]
    public int Value { get; set; }
}

public class PlainBase
{
    public int BaseValue { get; set; }
}

public sealed class Plain
{
    public int Value { get; set; }
}

[GenerateSerializer]
public sealed class HoldsPlain
{
    [Id(0)]
    public Plain? Plain { get; set; }
}

/// <summary>Keeps what it is given and gives back what it keeps, so that tests see which of them are copies.</summary>
public interface IKeeperGrain : IGrainWithStringKey
{
    Task<object?> Keep(object? value);

    Task<PositionalRecord> KeepRecord(PositionalRecord value);

    Task<IReadOnlyList<string>> KeepList(IReadOnlyList<string> values);

    Task<bool> SameTwice(List<string> first, List<string> second);

    Task<bool> IsLastKept([Immutable] List<string> value);

    [AlwaysInterleave]
    ValueTask<(string Text, int Number)> Tuple((string, int) value);

    ValueTask Nothing();

    Task<Dictionary<string, List<Members>>> Nested(Dictionary<string, List<Members>> value);

    Task ChangeKept();
}

public sealed class KeeperGrain : Grain, IKeeperGrain
{
    private object? _kept;

    public static object? LastArgument { get; set; }

    public Task<object?> Keep(object? value)
    {
        LastArgument = value;
        return Task.FromResult(_kept = value);
    }

    public Task<PositionalRecord> KeepRecord(PositionalRecord value)
    {
        _kept = value;
        return Task.FromResult(value);
    }

    public Task<IReadOnlyList<string>> KeepList(IReadOnlyList<string> values) => Task.FromResult(values);

    public Task<bool> SameTwice(List<string> first, List<string> second) => Task.FromResult(ReferenceEquals(first, second));

    public Task<bool> IsLastKept(List<string> value) => Task.FromResult(ReferenceEquals(LastArgument, value));

    public ValueTask<(string Text, int Number)> Tuple((string, int) value) => new(value);

    public ValueTask Nothing() => ValueTask.CompletedTask;

    public Task<Dictionary<string, List<Members>>> Nested(Dictionary<string, List<Members>> value) => Task.FromResult(value);

    public Task ChangeKept()
    {
        ((PositionalRecord)_kept!).Items.Add("by the grain");
        return Task.CompletedTask;
    }
}

public interface IPlainArgumentGrain : IGrainWithStringKey
{
    Task Take(Plain value);
}

public sealed class PlainArgumentGrain : Grain, IPlainArgumentGrain
{
    public Task Take(Plain value) => Task.CompletedTask;
}

public interface IJsonArgumentGrain : IGrainWithStringKey
{
    Task Take(JsonElement value);
}

public sealed class JsonArgumentGrain : Grain, IJsonArgumentGrain
{
    public Task Take(JsonElement value) => Task.CompletedTask;
}

public interface IPlainItemsGrain : IGrainWithStringKey
{
    Task<int> Take(List<Plain> values);
}

public sealed class PlainItemsGrain : Grain, IPlainItemsGrain
{
    public Task<int> Take(List<Plain> values) => Task.FromResult(values.Count);
}

public interface IPlainArrayGrain : IGrainWithStringKey
{
    Task Take(Plain[] values);
}

public sealed class PlainArrayGrain : Grain, IPlainArrayGrain
{
    public Task Take(Plain[] values) => Task.CompletedTask;
}

public interface IPlainMemberGrain : IGrainWithStringKey
{
    Task Take(HoldsPlain value);
}

public sealed class PlainMemberGrain : Grain, IPlainMemberGrain
{
    public Task Take(HoldsPlain value) => Task.CompletedTask;
}

public interface IPlainResultGrain : IGrainWithStringKey
{
    Task<Plain> Give();
}

public sealed class PlainResultGrain : Grain, IPlainResultGrain
{
    public Task<Plain> Give() => Task.FromResult(new Plain());
}

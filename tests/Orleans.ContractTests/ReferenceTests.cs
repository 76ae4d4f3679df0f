namespace Orleans.ContractTests;

public interface INumberGrain : IGrainWithIntegerKey
{
    Task<long> Key();

    Task<string> Id();
}

public sealed class NumberGrain : Grain, INumberGrain
{
    public Task<long> Key() => Task.FromResult(this.GetPrimaryKeyLong());

    public Task<string> Id() => Task.FromResult(this.GetGrainId().ToString());
}

public interface ISelfGrain : IGrainWithStringKey
{
    Task<ISelfGrain> Self();

    Task<string> KeyOf(ISelfGrain other);

    Task<string> Describe(ISelfGrain other);

    Task<string> DescribeThis(string other);

    Task<string> Key();
}

public interface IOtherFaceGrain : IGrainWithStringKey
{
    Task<string> Face();
}

public sealed class SelfGrain : Grain, ISelfGrain, IOtherFaceGrain
{
    public Task<ISelfGrain> Self() => Task.FromResult(this.AsReference<ISelfGrain>());

    public Task<string> KeyOf(ISelfGrain other) => other.Key();

    public Task<string> Describe(ISelfGrain other) =>
        Task.FromResult($"{(other is SelfGrain ? "grain" : "reference")} {other.GetPrimaryKeyString()}");

    public Task<string> DescribeThis(string other) => GrainFactory.GetGrain<ISelfGrain>(other).Describe(this);

    public Task<string> Key() => Task.FromResult(this.GetPrimaryKeyString());

    public Task<string> Face() => Task.FromResult($"face of {this.GetPrimaryKeyString()}");
}

public interface IUnimplementedGrain : IGrainWithStringKey
{
    Task Nothing();
}

public interface IAmbiguousGrain : IGrainWithStringKey
{
    Task<string> Name();
}

public sealed class FirstAmbiguousGrain : Grain, IAmbiguousGrain
{
    public Task<string> Name() => Task.FromResult("first");
}

public sealed class SecondAmbiguousGrain : Grain, IAmbiguousGrain
{
    public Task<string> Name() => Task.FromResult("second");
}

public interface INamesakeGrain : IGrainWithStringKey
{
    Task<string> Name();
}

public sealed class NamesakeGrain : Grain, INamesakeGrain
{
    public Task<string> Name() => Task.FromResult("namesake");
}

public sealed class OtherNamesakeGrain : Grain, INamesakeGrain
{
    public Task<string> Name() => Task.FromResult("other");
}

public class ReferenceTests(SiloFixture fixture) : IClassFixture<SiloFixture>
{
    private IGrainFactory Grains => fixture.Silo.Grains;

    [Fact]
    public async Task Keys_are_numbers_or_strings()
    {
        (await Grains.GetGrain<INumberGrain>(7).Key()).ShouldBe(7);
        (await Grains.GetGrain<INumberGrain>(-7).Key()).ShouldBe(-7);
        (await Grains.GetGrain<INumberGrain>(255).Id()).ShouldBe("number/FF");
        Grains.GetGrain<INumberGrain>(7).GetPrimaryKeyLong().ShouldBe(7);
        Grains.GetGrain<ISelfGrain>("a/b c").GetPrimaryKeyString().ShouldBe("a/b c");
    }

    [Fact]
    public void The_grain_type_is_the_name_of_the_class_without_its_suffix()
    {
        var id = Grains.GetGrain<ISelfGrain>("a").GetGrainId();

        id.ToString().ShouldBe("self/a");
        id.Type.ToString().ShouldBe("self");
        id.Key.ToString().ShouldBe("a");
        id.ShouldBe(GrainId.Create("self", "a"));
        id.ShouldBe(GrainId.Parse("self/a"));
        (id == GrainId.Create("self", "b")).ShouldBeFalse();
    }

    [Fact]
    public async Task A_grain_gives_a_reference_to_itself()
    {
        var self = await Grains.GetGrain<ISelfGrain>("a").Self();

        (await self.Key()).ShouldBe("a");
    }

    [Fact]
    public async Task References_are_arguments_and_equal_by_grain()
    {
        var first = Grains.GetGrain<ISelfGrain>("a");

        (await first.KeyOf(Grains.GetGrain<ISelfGrain>("b"))).ShouldBe("b");
        first.ShouldBe(Grains.GetGrain<ISelfGrain>("a"));
        first.GetHashCode().ShouldBe(Grains.GetGrain<ISelfGrain>("a").GetHashCode());
        first.ShouldNotBe(Grains.GetGrain<ISelfGrain>("b"));
        (await first.AsReference<IOtherFaceGrain>().Face()).ShouldBe("face of a");
    }

    [Fact]
    public async Task A_grain_that_passes_itself_arrives_as_a_reference() =>
        (await Grains.GetGrain<ISelfGrain>("a").DescribeThis("b")).ShouldBe("reference a");

    [Fact]
    public void An_interface_without_implementation_is_an_error() =>
        Should.Throw<ArgumentException>(() => Grains.GetGrain<IUnimplementedGrain>("a"));

    [Fact]
    public async Task Of_two_implementations_one_must_be_chosen()
    {
        Should.Throw<ArgumentException>(() => Grains.GetGrain<IAmbiguousGrain>("a"));

        var chosen = Grains.GetGrain<IAmbiguousGrain>("a", "Orleans.ContractTests.Second");
        (await chosen.Name()).ShouldBe("second");
    }

    [Fact]
    public async Task The_implementation_named_as_the_interface_comes_first() =>
        (await Grains.GetGrain<INamesakeGrain>("a").Name()).ShouldBe("namesake");

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void An_empty_key_is_an_error(string key) => Should.Throw<ArgumentException>(() => Grains.GetGrain<ISelfGrain>(key));
}

using System.Collections.Immutable;
using System.Text.Json;
using Orleans.Serialization;

namespace Orleans.ContractTests;

public class CopyTests(SiloFixture fixture) : IClassFixture<SiloFixture>
{
    private IKeeperGrain Grain => fixture.Silo.Grains.GetGrain<IKeeperGrain>(Guid.NewGuid().ToString());

    [Fact]
    public async Task Arguments_and_results_are_copies()
    {
        var grain = Grain;
        var value = new PositionalRecord("a", 1, ["x"]) { Carried = "c", NotCarried = "n" };

        var result = await grain.KeepRecord(value);
        value.Items.Add("by the caller");
        result.Items.Add("by the receiver");
        await grain.ChangeKept();

        result.Name.ShouldBe("a");
        result.Count.ShouldBe(1);
        result.Carried.ShouldBe("c");
        result.Items.ShouldBe(["x", "by the receiver"]);
        value.Items.ShouldBe(["x", "by the caller"]);
    }

    [Fact]
    public async Task Members_without_an_id_are_not_carried()
    {
        var record = await Grain.KeepRecord(new PositionalRecord("a", 1, []) { NotCarried = "n" });
        var members = (await Copy(new Members { NotCarried = "changed", Field = 5, Name = "m", Colour = Colour.Green, Maybe = 3 }));

        record.NotCarried.ShouldBeNull();
        members.NotCarried.ShouldBe("from the constructor");
        members.Field.ShouldBe(5);
        members.Name.ShouldBe("m");
        members.Colour.ShouldBe(Colour.Green);
        members.Maybe.ShouldBe(3);
    }

    [Fact]
    public async Task A_cycle_stays_a_cycle()
    {
        var first = new Members { Name = "first" };
        first.Next = new Members { Name = "second", Next = first };

        var copy = await Copy(first);

        copy.ShouldNotBeSameAs(first);
        copy.Next!.Next.ShouldBeSameAs(copy);
        copy.Next.Name.ShouldBe("second");
    }

    [Fact]
    public async Task Two_arguments_that_are_one_stay_one()
    {
        var list = new List<string> { "a" };

        (await Grain.SameTwice(list, list)).ShouldBeTrue();
        (await Grain.SameTwice(list, ["a"])).ShouldBeFalse();
    }

    [Fact]
    public async Task A_derived_type_stays_what_it_is()
    {
        var dog = await Copy<Animal>(new Dog { Name = "Rex", Legs = 4 });
        var started = await Copy<Event>(new Started("me") { Number = 7 });

        dog.ShouldBeOfType<Dog>().Legs.ShouldBe(4);
        dog.Name.ShouldBe("Rex");
        started.ShouldBe(new Started("me") { Number = 7 });
    }

    [Fact]
    public async Task Structs_are_copied_with_what_they_hold()
    {
        var point = new Point(1, 2) { Tail = [3] };

        var copy = await Copy(point);

        copy.X.ShouldBe(1);
        copy.Y.ShouldBe(2);
        copy.Tail.ShouldBe([3]);
        copy.Tail.ShouldNotBeSameAs(point.Tail);
    }

    [Fact]
    public async Task Immutable_types_go_by_reference()
    {
        var frozen = new Frozen { Values = [1] };

        (await Copy(frozen)).ShouldBeSameAs(frozen);
    }

    [Fact]
    public async Task An_immutable_argument_goes_by_reference()
    {
        var list = new List<string> { "a" };
        KeeperGrain.LastArgument = list;

        (await Grain.IsLastKept(list)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_class_without_a_parameterless_constructor_is_copied()
    {
        (await Copy(new PrimaryConstructor("p"))).Name.ShouldBe("p");
    }

    [Fact]
    public async Task Collections_are_copied_with_their_items()
    {
        var nested = new Dictionary<string, List<Members>>(StringComparer.OrdinalIgnoreCase)
        {
            ["a"] = [new Members { Name = "m", Numbers = new List<int> { 1, 2 } }],
        };

        var copy = await Grain.Nested(nested);

        copy["A"][0].Name.ShouldBe("m");
        copy["A"][0].Numbers.ShouldBe([1, 2]);
        copy["a"].ShouldNotBeSameAs(nested["a"]);
        copy["a"][0].ShouldNotBeSameAs(nested["a"][0]);
    }

    [Fact]
    public async Task Values_of_common_types_arrive_as_they_were()
    {
        await Same(new[] { 1, 2 });
        await Same(new[] { new[] { "a" }, ["b", "c"] });
        await Same(new List<DateTimeOffset> { DateTimeOffset.UnixEpoch });
        await Same(new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "a" });
        await Same(new Queue<int>([1, 2]));
        await Same(new Stack<int>([1, 2]));
        await Same(new SortedDictionary<string, int> { ["b"] = 1, ["a"] = 2 });
        await Same(new KeyValuePair<string, int>("a", 1));
        await Same(ImmutableArray.Create(1, 2));
        await Same(ImmutableList.Create("a"));
        await Same(ImmutableDictionary<string, int>.Empty.Add("a", 1));
        await Same((1, "b", Guid.Empty));
        await Same(Tuple.Create(1, "b"));
        await Same<byte[]>([1, 2, 3]);
        await Same(TimeSpan.FromSeconds(1));
        await Same(new Uri("http://localhost/"));
        await Same(new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
        await Same(1.5m);
        await Same("text");
        await Same(Colour.Green);

        async Task Same<T>(T value)
            where T : notnull
        {
            var copy = await Grain.Keep(value);
            copy.ShouldBeOfType(value.GetType());
            JsonSerializer.Serialize(copy, value.GetType()).ShouldBe(JsonSerializer.Serialize(value));
        }
    }

    [Fact]
    public async Task A_copy_of_an_array_is_another_array()
    {
        var array = new[] { 1, 2 };

        var copy = await Copy(array);

        copy.ShouldNotBeSameAs(array);
        KeeperGrain.LastArgument.ShouldNotBeSameAs(array);
    }

    [Fact]
    public async Task Value_tasks_and_tuples_work()
    {
        await Grain.Nothing();

        (await Grain.Tuple(("a", 1))).ShouldBe(("a", 1));
    }

    [Fact]
    public async Task Null_stays_null() => (await Grain.Keep(null)).ShouldBeNull();

    [Fact]
    public async Task A_list_or_array_behind_an_interface_is_copied_as_what_it_is()
    {
        (await Grain.KeepList(new[] { "a" })).ShouldBe(["a"]);
        (await Grain.KeepList(new List<string> { "a" })).ShouldBe(["a"]);
    }

    [Fact]
    public async Task A_collection_expression_behind_a_read_only_interface_arrives_as_a_list()
    {
        var value = "a";

        var copy = await Grain.KeepList([value, value, value]);

        copy.ShouldBe(["a", "a", "a"]);
        copy.ShouldBeOfType<List<string>>();
    }

    [Fact]
    public async Task Items_without_codec_fail_the_call_but_an_empty_collection_does_not()
    {
        var grain = fixture.Silo.Grains.GetGrain<IPlainItemsGrain>("a");

        (await grain.Take([])).ShouldBe(0);
        await Should.ThrowAsync<CodecNotFoundException>(async () => await grain.Take([new Plain()]));
    }

    [Fact]
    public async Task A_value_without_codec_behind_object_fails_the_call()
    {
        await Should.ThrowAsync<CodecNotFoundException>(() => Grain.Keep(new Plain()));
    }

    [Fact]
    public async Task Generic_types_are_copied()
    {
        var box = new Box<List<string>> { Value = ["a"] };
        box.Values.Add(["b"]);

        var copy = await Copy(box);

        copy.Value.ShouldBe(["a"]);
        copy.Value.ShouldNotBeSameAs(box.Value);
        copy.Values[0].ShouldBe(["b"]);
    }

    [Fact]
    public async Task A_record_that_derives_from_a_positional_one_is_copied()
    {
        var circle = new Circle("c", [1, 2], 1.5);

        var copy = (Circle)await Copy<Shape>(circle);

        copy.Name.ShouldBe("c");
        copy.Sizes.ShouldBe([1, 2]);
        copy.Sizes.ShouldNotBeSameAs(circle.Sizes);
        copy.Radius.ShouldBe(1.5);
    }

    [Fact]
    public async Task Members_are_copied_unless_they_are_immutable()
    {
        var value = new HoldsImmutable
        {
            Shared = [1],
            Copied = [2],
            Point = new Point(1, 2) { Tail = [3] },
            Points = new Dictionary<string, Point> { ["p"] = new(4, 5) { Tail = [6] } },
            Any = new OpenImmutable { Values = [7] },
            Colours = [Colour.Green],
        };

        var copy = await Copy(value);

        copy.Shared.ShouldBeSameAs(value.Shared);
        copy.Copied.ShouldBe([2]);
        copy.Copied.ShouldNotBeSameAs(value.Copied);
        copy.Point!.Value.Tail.ShouldBe([3]);
        copy.Point.Value.Tail.ShouldNotBeSameAs(value.Point.Value.Tail);
        copy.Points["p"].Tail.ShouldBe([6]);
        copy.Any.ShouldBeSameAs(value.Any);
        copy.Colours.ShouldBe([Colour.Green]);
    }

    [Fact]
    public async Task A_base_class_needs_a_serializer_too()
    {
        await Should.ThrowAsync<KeyNotFoundException>(() => Grain.Keep(new WithPlainBase { Value = 1 }));
    }

    [Fact]
    public async Task An_exception_as_a_value_goes_by_reference()
    {
        var exception = new OutOfPaperException("value", 1);

        (await Grain.Keep(exception)).ShouldBeSameAs(exception);
    }

    [Fact]
    public async Task An_enumeration_that_is_not_a_collection_has_no_codec_behind_object()
    {
        await Should.ThrowAsync<CodecNotFoundException>(() => Grain.Keep(new[] { 1 }.Select(value => value + 1)));
    }

    [Fact]
    public void GetGrain_fails_when_an_argument_has_no_codec()
    {
        Should.Throw<CodecNotFoundException>(() => fixture.Silo.Grains.GetGrain<IPlainArgumentGrain>("a"));
        Should.Throw<CodecNotFoundException>(() => fixture.Silo.Grains.GetGrain<IJsonArgumentGrain>("a"));
        Should.Throw<CodecNotFoundException>(() => fixture.Silo.Grains.GetGrain<IPlainMemberGrain>("a"));
        Should.Throw<CodecNotFoundException>(() => fixture.Silo.Grains.GetGrain<IPlainArrayGrain>("a"));
    }

    [Fact]
    public async Task A_result_without_codec_fails_the_call()
    {
        await Should.ThrowAsync<CodecNotFoundException>(
            async () => await fixture.Silo.Grains.GetGrain<IPlainResultGrain>("a").Give());
    }

    private async Task<T> Copy<T>(T value) => (T)(await Grain.Keep(value))!;
}

using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

public class ArgumentTests
{
    [Fact]
    public void A_tensor_that_is_not_contiguous_is_refused()
        => WithBoth(group =>
        {
            using var flat = Tensors.Zeros(torch.ScalarType.Float32, 12);
            using var everySecond = flat.slice(0, 0, 12, 2);
            Refused(() => group.AllReduce(everySecond), "buffer of shape [6] is not contiguous");
            Refused(() => group.Broadcast(everySecond, 0), "buffer of shape [6] is not contiguous");
            Refused(() => group.AllGather(everySecond, flat), "input of shape [6] is not contiguous");
            Refused(() => group.ReduceScatter(flat, everySecond), "output of shape [6] is not contiguous");
        });

    [Fact]
    public void A_type_that_is_not_supported_is_refused()
        => WithBoth(group =>
        {
            using var bits = torch.zeros([4], dtype: torch.ScalarType.Bool);
            Refused(() => group.AllReduce(bits), "buffer is of type Bool; allowed are Float32, Float64, Int32 and Int64");
        });

    [Fact]
    public void Sizes_and_types_that_do_not_fit_are_refused()
        => WithBoth(group =>
        {
            using var three = Tensors.Zeros(torch.ScalarType.Float32, 3);
            using var four = Tensors.Zeros(torch.ScalarType.Float32, 4);
            using var whole = Tensors.Zeros(torch.ScalarType.Int32, 4);
            Refused(() => group.AllGather(three, four), $"output has 4 elements; it must have {group.WorldSize} times the 3 of input");
            Refused(() => group.ReduceScatter(four, three), $"input has 4 elements; it must have {group.WorldSize} times the 3 of output");
            Refused(() => group.AllGather(whole, four), "output is of type Float32, input of type Int32");
        });

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public void A_root_that_is_no_rank_is_refused(int root)
        => WithBoth(group =>
        {
            using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 3);
            Refused(() => group.Broadcast(buffer, root), "root must be a rank");
        });

    [Fact]
    public void Null_is_refused()
        => WithBoth(group => Should.Throw<ArgumentNullException>(() => group.AllReduce(null!)).ParamName.ShouldBe("buffer"));

    [Fact]
    public void An_unknown_reduction_is_refused()
    {
        using var group = new GlooProcessGroup(0, 1, 1, new InMemoryRendezvousStore());
        using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 3);
        Refused(() => group.AllReduce(buffer, (ReduceOperation)7), "operation must be Sum, Min or Max");
    }

    [Theory]
    [InlineData(-1, 2)]
    [InlineData(2, 2)]
    [InlineData(0, 0)]
    public void A_rank_outside_the_world_is_refused(int rank, int worldSize)
        => Should.Throw<ArgumentOutOfRangeException>(
            () => new GlooProcessGroup(rank, worldSize, 1, new InMemoryRendezvousStore()));

    [Theory]
    [InlineData("no such host", "no such host")]
    [InlineData("", "BindAddress")]
    [InlineData("0.0.0.0", "set AdvertisedAddress")]
    [InlineData("192.0.2.1", "cannot listen on 192.0.2.1")] // Reserved for documentation: nobody has it.
    public void An_address_that_cannot_be_used_is_refused(string address, string message)
        => Refused(
            () => new GlooProcessGroup(
                0, 1, 1, new InMemoryRendezvousStore(), new GlooOptions { BindAddress = address }).Dispose(),
            message);

    [Fact]
    public void A_timeout_of_zero_is_refused()
    {
        Refused(() => Make(new GlooOptions { Timeout = TimeSpan.Zero }), "Timeout");
        Refused(() => Make(new GlooOptions { RendezvousTimeout = TimeSpan.Zero }), "RendezvousTimeout");

        static void Make(GlooOptions options)
            => new GlooProcessGroup(0, 1, 1, new InMemoryRendezvousStore(), options).Dispose();
    }

    [Theory]
    [InlineData("127.0.0.1", null)]
    [InlineData("localhost", null)]
    [InlineData("lo", null)]
    [InlineData("0.0.0.0", "127.0.0.1")]
    public void Addresses_hosts_and_interfaces_are_resolved(string bind, string? advertised)
    {
        var options = new GlooOptions { BindAddress = bind, AdvertisedAddress = advertised };
        var errors = Ranks.Try(2, group => group.Barrier().Wait(), options);
        errors.ShouldAllBe(error => error == null);
    }

    private static void WithBoth(Action<IProcessGroup> test)
    {
        using var single = new SingleProcessGroup();
        using var gloo = new GlooProcessGroup(0, 1, 1, new InMemoryRendezvousStore());
        test(single);
        test(gloo);
    }

    private static void Refused(Action action, string message)
        => Should.Throw<ArgumentException>(action).Message.ShouldContain(message);
}

using System.Net;
using Linformer.Coordinator.Access;

namespace Linformer.Coordinator.Tests.Access;

public sealed class WrongTokensTests
{
    private static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");

    private readonly SteppedTime _time = new();

    [Fact]
    public void An_address_has_its_own_count_until_the_minute_is_over()
    {
        var wrong = new WrongTokens(3, _time);
        for (var i = 0; i < 3; i++)
        {
            wrong.TooMany(Here).ShouldBeFalse();
            wrong.Add(Here);
        }
        wrong.TooMany(Here).ShouldBeTrue();
        wrong.TooMany(Here.MapToIPv6()).ShouldBeTrue();
        wrong.TooMany(IPAddress.Parse("192.0.2.2")).ShouldBeFalse();
        _time.Step(TimeSpan.FromSeconds(61));
        wrong.TooMany(Here).ShouldBeFalse();
    }

    [Fact]
    public void A_network_of_IPv6_is_one_address()
    {
        var wrong = new WrongTokens(1, _time);
        wrong.Add(IPAddress.Parse("2001:db8:1:2::1"));
        wrong.TooMany(IPAddress.Parse("2001:db8:1:2:ffff::9")).ShouldBeTrue();
        wrong.TooMany(IPAddress.Parse("2001:db8:1:3::1")).ShouldBeFalse();
    }

    [Fact]
    public void However_many_addresses_come_few_are_kept()
    {
        var wrong = new WrongTokens(2, _time);
        for (var i = 0; i < 10_002; i++)
            wrong.Add(new IPAddress(i + 1));
        // These share a count by now.
        wrong.TooMany(IPAddress.Parse("198.51.100.7")).ShouldBeTrue();
        wrong.TooMany(new IPAddress(1)).ShouldBeFalse();
    }
}

using Linformer.Protocol.Wire;

namespace Linformer.Protocol.Tests;

public sealed class ProtocolVersionTests
{
    [Fact]
    public void A_program_speaks_the_versions_from_its_oldest_to_its_own()
    {
        ProtocolVersion.Oldest.ShouldBeLessThanOrEqualTo(ProtocolVersion.Current);
        for (var version = ProtocolVersion.Oldest; version <= ProtocolVersion.Current; version++)
            ProtocolVersion.IsSpoken(version).ShouldBeTrue();
        ProtocolVersion.IsSpoken(ProtocolVersion.Oldest - 1).ShouldBeFalse();
        ProtocolVersion.IsSpoken(ProtocolVersion.Current + 1).ShouldBeFalse();
        ProtocolVersion.Spoken.ShouldContain($"{ProtocolVersion.Current}");
    }

    [Theory]
    [InlineData("2", true)]
    [InlineData("1", false)]
    [InlineData("", false)]
    [InlineData("-2", false)]
    [InlineData("2.0", false)]
    [InlineData(" 2", false)]
    [InlineData("99999999999999999999", false)]
    public void A_version_is_written_in_digits(string text, bool spoken) => ProtocolVersion.IsSpoken(text).ShouldBe(spoken);
}

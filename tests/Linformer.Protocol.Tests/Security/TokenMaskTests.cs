using Linformer.Protocol.Security;

namespace Linformer.Protocol.Tests.Security;

public sealed class TokenMaskTests
{
    [Theory]
    [InlineData("lft_k3x7qabc_AbC-_9", "lft_k3x7qabc_***")]
    [InlineData("'lft_k3x7qabc_AbC' is no file; lft_k3x7qabd_Xyz neither", "'lft_k3x7qabc_***' is no file; lft_k3x7qabd_*** neither")]
    [InlineData("LFT_K3X7QABC_ABC", "LFT_K3X7QABC_***")]
    [InlineData("lft_k3x7qabcAbC", "lft_k3x7qabc***")]
    [InlineData("a left_over file", "a left_over file")]
    [InlineData("", "")]
    public void Secrets_of_tokens_are_blanked_and_nothing_else(string text, string expected) => TokenMask.Blank(text).ShouldBe(expected);
}

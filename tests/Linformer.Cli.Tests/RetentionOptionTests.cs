namespace Linformer.Cli.Tests;

public sealed class RetentionOptionTests
{
    [Theory]
    [InlineData("--keep-logs-days", "-1", "allowed are 0 to 36500.")]
    [InlineData("--keep-logs-days", "36501", "allowed are 0 to 36500.")]
    [InlineData("--keep-logs-days", "long", "long")]
    [InlineData("--keep-events-days", "36501", "allowed are 0 to 36500.")]
    [InlineData("--max-log-lines-per-job", "-1", "allowed are 0 to 1000000000.")]
    [InlineData("--max-log-lines-per-job", "99999999999", "99999999999")]
    public async Task A_number_out_of_range_is_refused(string option, string value, string because)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["coordinator", option, value], output, error, CancellationToken.None)).ShouldBe(1);
        error.ToString().ShouldContain(because);
    }
}

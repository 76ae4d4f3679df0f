namespace Linformer.Cli.Tests;

public sealed class CoordinatorOptionTests
{
    [Theory]
    [InlineData("--database", "db:5432", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE")]
    [InlineData("--database", "postgresql://u:secret@db/x?sslmode=perhaps", "'perhaps'")]
    [InlineData("--database-lease", "0.5", "1 to 60")]
    [InlineData("--database-lease", "soon", "soon")]
    public async Task What_names_no_database_is_refused(string option, string value, string because)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["coordinator", option, value], output, error, CancellationToken.None)).ShouldBe(1);
        error.ToString().ShouldContain(because);
        error.ToString().ShouldNotContain("secret");
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_in_one_line()
    {
        var folder = Directory.CreateTempSubdirectory("linformer-cli-");
        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] command = ["coordinator", "--data", folder.FullName, "--listen", "127.0.0.1:0", "--database", "postgresql://ada:secret@127.0.0.1:1/jobs"];
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), command, output, error, CancellationToken.None)).ShouldBe(1);
        error.ToString().ShouldStartWith("error: The database postgresql://ada@127.0.0.1:1/jobs does not answer: ");
        error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldHaveSingleItem();
        folder.Delete(recursive: true);
    }
}

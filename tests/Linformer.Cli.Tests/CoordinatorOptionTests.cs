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

    [Theory]
    [InlineData("--tls-certificate a.pem", "--tls-certificate and --tls-key belong together")]
    [InlineData("--tls-key a.key", "--tls-certificate and --tls-key belong together")]
    [InlineData("--tls-certificate no.pem --tls-key no.key", "The certificate no.pem with the key no.key cannot be used: ")]
    [InlineData("--worker-ca ca.pem", "--worker-ca is for connections by TLS")]
    [InlineData("--authentication maybe", "--authentication is 'maybe'; allowed are network, always, never, never-even-from-network.")]
    [InlineData("--authentication never --listen 127.0.0.1:0 --listen 0.0.0.0:0", "--authentication is 'never' and --listen is 0.0.0.0:0")]
    [InlineData("--max-jobs-per-user -1", "--max-jobs-per-user is -1; allowed are 0 to 1000000.")]
    [InlineData("--max-calls-per-second x", "--max-calls-per-second is x; allowed are 0 to 1000000.")]
    [InlineData("--scale-max 3", "--scale-max needs --scale-statefulset.")]
    [InlineData("--scale-statefulset w", "--scale-statefulset needs --scale-max")]
    [InlineData("--scale-statefulset w --scale-min 4 --scale-max 3", "--scale-min is 4 and --scale-max is 3")]
    [InlineData("--scale-statefulset w --scale-max 3 --scale-idle 0", "--scale-idle is 0; allowed are 1 to 604800 seconds.")]
    [InlineData("--health x", "--health: 'x' is not an address to listen on")]
    [InlineData("--preparation-patience 9", "--preparation-patience is 9; allowed are 10 to 86400 seconds.")]
    [InlineData("--lease 0", "--lease is 0; allowed are 1 to 3600 seconds.")]
    public async Task Options_that_do_not_fit_are_refused_before_anything_starts(string options, string because)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"linformer-cli-{Guid.NewGuid():N}");
        using var output = new StringWriter();
        using var error = new StringWriter();

        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["coordinator", "--data", folder, .. options.Split(' ')], output, error, CancellationToken.None)).ShouldBe(1);

        error.ToString().ShouldContain(because);
        Directory.Exists(folder).ShouldBeFalse();
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

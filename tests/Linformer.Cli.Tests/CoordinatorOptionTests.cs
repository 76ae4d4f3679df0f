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
    [InlineData("--log-format xml", "--log-format is 'xml'; allowed are text and json.")]
    [InlineData("--log-file-format xml", "--log-file-format is 'xml'; allowed are text and json.")]
    [InlineData("--log-file-megabytes 0", "--log-file-megabytes is 0; allowed are 1 to 10000.")]
    [InlineData("--log-files-kept 0", "--log-files-kept is 0; allowed are 1 to 10000.")]
    [InlineData("--log-file /dev/null/a.log", "--log-file: nothing can be written to the folder /dev/null: ")]
    [InlineData("--otlp-endpoint localhost:4317", "--otlp-endpoint is 'localhost:4317'; it has to be a URL that begins with http:// or https://")]
    [InlineData("--otlp-protocol http", "need --otlp-endpoint, or OTEL_EXPORTER_OTLP_ENDPOINT")]
    [InlineData("--otlp-endpoint http://localhost:1 --otlp-protocol udp", "--otlp-protocol is 'udp'; allowed are grpc and http.")]
    [InlineData("--otlp-endpoint http://localhost:1 --otlp-headers-file /nowhere", "--otlp-headers-file: /nowhere cannot be read: ")]
    [InlineData("--public-url linformer.example", "--public-url: 'linformer.example' is no public address; http://HOST[:PORT] or https://HOST[:PORT] is needed")]
    [InlineData("--public-url https://a.example --public-url https://b.example/path", "--public-url: 'https://b.example/path' is no public address")]
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
    public async Task A_line_that_is_no_header_for_OTLP_is_named_without_what_it_says()
    {
        var folder = Directory.CreateTempSubdirectory("linformer-cli-");
        var headers = Path.Combine(folder.FullName, "headers");
        await File.WriteAllTextAsync(headers, "# a comment\nx-api-key: good\nsecret without a colon\n");
        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] command = ["coordinator", "--data", folder.FullName, "--listen", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1", "--otlp-headers-file", headers];
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), command, output, error, CancellationToken.None)).ShouldBe(1);
        error.ToString().ShouldContain($"--otlp-headers-file: line 3 of {headers} is no header; each line has to be NAME: VALUE in ASCII.");
        error.ToString().ShouldNotContain("secret without");
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_in_one_line()
    {
        var folder = Directory.CreateTempSubdirectory("linformer-cli-");
        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] command = ["coordinator", "--data", folder.FullName, "--http", "none", "--listen", "127.0.0.1:0", "--database", "postgresql://ada:secret@127.0.0.1:1/jobs"];
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), command, output, error, CancellationToken.None)).ShouldBe(1);
        error.ToString().ShouldStartWith("error: The database postgresql://ada@127.0.0.1:1/jobs does not answer: ");
        error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldHaveSingleItem();
        folder.Delete(recursive: true);
    }
}

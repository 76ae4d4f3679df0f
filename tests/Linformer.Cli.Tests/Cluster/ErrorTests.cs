using System.Net;
using System.Net.Sockets;
using Grpc.Core;

namespace Linformer.Cli.Tests.Cluster;

public sealed class ErrorTests : ClusterTest
{
    [Fact]
    public async Task No_coordinator_is_said_with_what_to_do()
    {
        await Coordinator.KillAsync();

        (await Run("jobs")).ShouldBe(1);

        Error.ToString().ShouldBe(
            $"error: No coordinator answers at {Coordinator.Address}: Connection refused.\n" +
            "error: Start one with ./linformer up, or name another with --coordinator HOST:PORT (or LINFORMER_COORDINATOR).\n");
    }

    // The address of no machine: the system refuses it at once, in words that differ.
    [Fact]
    public async Task Elsewhere_than_on_this_machine_nobody_is_told_to_start_a_coordinator()
    {
        (await RunAs("jobs", "--coordinator", "255.255.255.255:1", "--verbose")).ShouldBe(1);

        var lines = Error.ToString().Split('\n');
        lines[0].ShouldMatch(@"^error: No coordinator answers at 255\.255\.255\.255:1: \w.+\.$");
        lines[1].ShouldNotContain("linformer up");
        lines[1].ShouldContain("--coordinator HOST:PORT");
        Error.ToString().ShouldContain("SocketException");
    }

    [Theory]
    [InlineData("whoami", "{token}")]
    [InlineData("{token}")]
    [InlineData("jobs", "--token", "{token}")]
    [InlineData("jobs", "--token-file", "{token}")]
    [InlineData("jobs", "--coordinator", "{token}")]
    [InlineData("jobs", "--coordinator", "https://{token}:7070")]
    [InlineData("jobs", "--output", "{token}")]
    [InlineData("jobs", "--ca", "{token}", "--verbose")]
    [InlineData("jobs", "--limit", "{token}", "--output", "json")]
    [InlineData("tokens", "create", "ada", "--role", "{token}")]
    public async Task A_token_in_the_wrong_place_is_not_shown(params string[] arguments)
    {
        const string secret = "q9ZrT-wZ0cE4m_h8Yk2uVb6Xn1sLd7PfGj3aRtKiOyM";

        (await RunAs([.. arguments.Select(argument => argument.Replace("{token}", $"lft_k3x7qabc_{secret}", StringComparison.Ordinal))])).ShouldBe(1);

        Error.ToString().ShouldContain("lft_k3x7qabc_***");
        (Error.ToString() + Output).ShouldNotContain(secret[..8]);
    }

    [Theory]
    [InlineData("ab\u00e9cd", "its character 3 is U+00E9")]
    [InlineData("ab\u0001cd", "its character 3 is U+0001")]
    [InlineData("-----BEGIN PRIVATE KEY-----", "its character 11 is U+0020")]
    public async Task What_is_no_token_is_told_with_its_file(string text, string expected)
    {
        var file = Path.Combine(Folder, "token");
        await File.WriteAllTextAsync(file, text);

        (await Run("jobs", "--token-file", file)).ShouldBe(1);

        Error.ToString().ShouldBe($"error: {file}: what is there is no token: {expected}; a token is letters, digits or -._~+/= in a line of its own.\n");
    }

    [Fact]
    public async Task A_token_of_other_bytes_than_text_is_told_with_its_file()
    {
        var file = Path.Combine(Folder, "token");
        await File.WriteAllBytesAsync(file, [0x61, 0xff, 0xfe, 0x00, 0x80]);

        (await Run("jobs", "--token-file", file)).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: {file}: what is there is no token: ");
    }

    [Fact]
    public async Task A_web_server_at_the_port_is_told_from_a_coordinator()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = AnswerAsHttp1Async(listener);
        var address = $"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

        var code = await CommandLineApp.RunAsync(
            CommandLineApp.CreateRoot(), ["jobs", "--coordinator", address], Output, Error, CancellationToken.None);

        code.ShouldBe(1);
        Error.ToString().ShouldContain($"What answers at {address} is no coordinator");
        listener.Stop();
        await answering;
    }

    [Theory]
    [InlineData("jobs", "--limit")]
    [InlineData("logs x", "--tail")]
    [InlineData("logs x", "--rank")]
    [InlineData("coordinator", "--lease")]
    [InlineData("up", "--slots")]
    public void What_is_no_number_is_a_usage_error(string command, string option)
    {
        var parsed = CommandLineApp.CreateRoot().Parse([.. command.Split(' '), option, "abc"]);

        parsed.Errors.ShouldContain(error => error.Message.Contains("abc", StringComparison.Ordinal) && error.Message.Contains(option, StringComparison.Ordinal));
    }

    private Task<int> RunAs(params string[] arguments) => CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), arguments, Output, Error, CancellationToken.None);

    private static async Task AnswerAsHttp1Async(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                var stream = client.GetStream();
                var buffer = new byte[4096];
                await stream.ReadExactlyAsync(buffer.AsMemory(0, 24)); // what HTTP/2 begins with
                await stream.WriteAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray());
                while (await stream.ReadAsync(buffer) > 0)
                {
                    // Unread bytes would turn the end into a reset.
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    [Theory]
    [InlineData(StatusCode.NotFound, "There is no job 'tiny'.", "error: There is no job 'tiny'.\n")]
    [InlineData(StatusCode.FailedPrecondition, "tiny-abcde has ended", "error: tiny-abcde has ended\n")]
    [InlineData(StatusCode.Unavailable, "The coordinator is starting.", "error: The coordinator is starting.\n")]
    [InlineData(StatusCode.Unauthenticated, "A token is needed.", "error: A token is needed.\nerror: Give your token with --token-file FILE, or in LINFORMER_TOKEN.\n")]
    public async Task The_coordinators_words_are_shown(StatusCode code, string detail, string expected)
    {
        Coordinator.Jobs.OnShow = _ => throw JobsScript.Refusal(code, detail);

        (await Run("show", "tiny")).ShouldBe(1);

        Error.ToString().ShouldBe(expected);
        Output.ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData(StatusCode.Internal, "failed: oh")]
    [InlineData(StatusCode.Unimplemented, "is no coordinator, or one of another version")]
    public async Task What_is_wrong_with_the_other_side_is_said_so(StatusCode code, string expected)
    {
        Coordinator.Jobs.OnShow = _ => throw JobsScript.Refusal(code, "oh");

        (await Run("show", "tiny")).ShouldBe(1);

        Error.ToString().ShouldContain(Coordinator.Address);
        Error.ToString().ShouldContain(expected);
        Error.ToString().ShouldNotContain("   at ");
    }

    [Fact]
    public async Task An_error_before_the_first_event_ends_a_watch()
    {
        Coordinator.Jobs.OnWatch = (_, _, _) => throw JobsScript.Refusal(StatusCode.NotFound, "There is no job 'tiny'.");

        (await Run("watch", "tiny")).ShouldBe(1);

        Error.ToString().ShouldBe("error: There is no job 'tiny'.\n");
    }

    [Fact]
    public async Task Ctrl_c_in_a_call_is_no_error_of_the_coordinator()
    {
        Coordinator.Jobs.OnShow = _ =>
        {
            CtrlC().Wait();
            throw JobsScript.Refusal(StatusCode.Internal, "oh");
        };

        (await Run("show", "tiny")).ShouldBe(130);

        Error.ToString().ShouldBe("cancelled\n");
    }

    [Fact]
    public async Task The_token_of_a_file_is_sent()
    {
        Coordinator.Jobs.OnList = _ => new Protocol.V1.ListJobsResponse();
        var file = Path.Combine(Folder, "token");
        await File.WriteAllTextAsync(file, "s3cret\n");

        (await Run("jobs", "--token-file", file)).ShouldBe(0);

        Coordinator.Jobs.Headers.TryDequeue(out var headers).ShouldBeTrue();
        headers.GetValue("authorization").ShouldBe("Bearer s3cret");
        headers.GetValue("linformer-protocol").ShouldBe("2");
    }

    [Fact]
    public async Task A_token_file_without_a_token_is_an_error()
    {
        var file = Path.Combine(Folder, "token");
        await File.WriteAllTextAsync(file, " \n");

        (await Run("jobs", "--token-file", file)).ShouldBe(1);
        (await Run("jobs", "--token-file", file + "s")).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: {file}: the file is empty; it must hold a token.\nerror: {file}s: the token cannot be read: ");
    }

    [Theory]
    [InlineData("host")]
    [InlineData("host:7070")]
    [InlineData("[::1]:7070")]
    [InlineData("http://host:1")]
    [InlineData("https://host:7070")]
    [InlineData("HTTPS://[::1]/")]
    public async Task Addresses_are_understood(string address)
    {
        // That it is no address of a coordinator is found later, by calling it; here nothing is called.
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["submit", Path.Combine(Folder, "none"), "--coordinator", address], Output, Error, default)).ShouldBe(1);

        Error.ToString().ShouldBe($"error: {Folder}/none: there is no such file.\n");
    }

    [Theory]
    [InlineData("host:")]
    [InlineData("host:0")]
    [InlineData("host:65536")]
    [InlineData("a b:1")]
    [InlineData("ftp://host:1")]
    [InlineData("https://")]
    [InlineData("https://host:1/path")]
    [InlineData("")]
    public async Task What_is_no_address_is_refused(string address)
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["jobs", "--coordinator", address], Output, Error, default)).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: --coordinator is '{address}'; it must be HOST:PORT, such as localhost:7070, or https://HOST:PORT, or several of these after commas.\n");
    }
}

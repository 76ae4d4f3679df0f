using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

/// <summary>The worker as a command, with a coordinator that tells what it was shown.</summary>
public sealed class WorkerTests : ClusterTest
{
    private readonly TestAuthority _authority = new();

    [Fact]
    public async Task A_client_certificate_is_enough()
    {
        await Coordinator.KillAsync();
        await Coordinator.StartAsync(_authority.Server(), _ => true);
        var (certificate, key) = TestAuthority.Write(Folder, _authority.Client("linformer-worker"));

        (await Worker("--ca", _authority.WritePem(Folder), "--tls-certificate", certificate, "--tls-key", key)).ShouldBe(1);

        Coordinator.Agents.Shown.ShouldHaveSingleItem().ShouldBe((null, "CN=linformer-worker"));
        Error.ToString().ShouldContain($"The coordinator at https://{Coordinator.Address} refused this worker: not wanted here");
    }

    [Fact]
    public async Task The_join_token_is_the_first_line_of_its_file_at_each_connection()
    {
        var file = Path.Combine(Folder, "join-token");
        await File.WriteAllTextAsync(file, "# of this month\n\nfirst-token-of-the-file\nsecond-token-of-the-file\n");
        Coordinator.Agents.OnConnect = async (before, stream, cancellation) =>
        {
            await File.WriteAllTextAsync(file, "renewed-token\nfirst-token-of-the-file\n", cancellation);
            await stream.WriteAsync(new CoordinatorMessage { Goodbye = new Goodbye { Final = before > 0, Reason = "come again" } }, cancellation);
        };

        (await Worker("--join-token-file", file)).ShouldBe(1);

        Coordinator.Agents.Shown.Select(shown => shown.Authorization).ShouldBe(["Bearer first-token-of-the-file", "Bearer renewed-token"]);
    }

    [Fact]
    public async Task A_token_that_was_good_before_may_be_refused_for_a_while()
    {
        var file = Path.Combine(Folder, "join-token");
        await File.WriteAllTextAsync(file, "a-good-join-token\n");
        Coordinator.Agents.OnConnect = (before, stream, cancellation) => before switch
        {
            0 => stream.WriteAsync(new CoordinatorMessage { Welcome = new Welcome { ProtocolVersion = 2, Epoch = 1, HeartbeatMilliseconds = 100 } }, cancellation),
            1 => throw JobsScript.Refusal(StatusCode.Unauthenticated, "The join token is wrong."),
            _ => stream.WriteAsync(new CoordinatorMessage { Goodbye = new Goodbye { Final = true, Reason = "enough" } }, cancellation),
        };

        (await Worker("--join-token-file", file)).ShouldBe(1);

        Coordinator.Agents.Shown.Count.ShouldBe(3);
        Error.ToString().ShouldContain("refused this worker: enough");
    }

    [Fact]
    public async Task A_token_that_is_withdrawn_while_it_is_connected_lets_it_come_again_with_the_new_one()
    {
        var file = Path.Combine(Folder, "join-token");
        await File.WriteAllTextAsync(file, "a-good-join-token\n");
        Coordinator.Agents.OnConnect = async (before, stream, cancellation) =>
        {
            if (before > 0)
            {
                await stream.WriteAsync(new CoordinatorMessage { Goodbye = new Goodbye { Final = true, Reason = "enough" } }, cancellation);
                return;
            }

            await stream.WriteAsync(new CoordinatorMessage { Welcome = new Welcome { ProtocolVersion = 2, Epoch = 1, HeartbeatMilliseconds = 100 } }, cancellation);
            await File.WriteAllTextAsync(file, "renewed-join-token\n", cancellation);
            throw JobsScript.Refusal(StatusCode.Unauthenticated, "The join token is not one any more.");
        };

        (await Worker("--join-token-file", file)).ShouldBe(1);

        Coordinator.Agents.Shown.Select(shown => shown.Authorization).ShouldBe(["Bearer a-good-join-token", "Bearer renewed-join-token"]);
        Error.ToString().ShouldContain("refused this worker: enough");
    }

    [Fact]
    public async Task A_wrong_token_at_the_first_connection_ends_it()
    {
        Coordinator.Agents.OnConnect = (_, _, _) => throw JobsScript.Refusal(StatusCode.Unauthenticated, "The join token is wrong.");
        var file = Path.Combine(Folder, "join-token");
        await File.WriteAllTextAsync(file, "a-wrong-join-token\n");

        (await Worker("--join-token-file", file)).ShouldBe(1);

        Coordinator.Agents.Shown.ShouldHaveSingleItem();
        Error.ToString().ShouldContain("refused this worker: The join token is wrong.");
    }

    [Fact]
    public async Task Without_a_token_or_a_certificate_it_says_what_to_give()
    {
        (await Worker()).ShouldBe(1);

        Error.ToString().ShouldContain("--join-token-file FILE");
        Error.ToString().ShouldContain("--tls-certificate");
        Coordinator.Agents.Shown.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("--device tpu", "--device is 'tpu'; allowed are auto, cpu, cuda.")]
    [InlineData("--device cuda", "GPU")]
    [InlineData("--slots 0", "--slots is 0; allowed are 1 to 1024.")]
    public async Task Slots_that_there_cannot_be_are_refused(string arguments, string expected)
    {
        var file = Path.Combine(Folder, "join-token");
        await File.WriteAllTextAsync(file, "a-good-join-token\n");

        (await Worker(["--join-token-file", file, .. arguments.Split(' ')])).ShouldBe(1);

        Error.ToString().ShouldContain(expected);
        Coordinator.Agents.Shown.ShouldBeEmpty();
    }

    protected override void Clean() => _authority.Dispose();

    private Task<int> Worker(params string[] arguments) => Run(["worker", "--data", Folder, "--name", "w1", "--address", "127.0.0.1", .. arguments]);
}

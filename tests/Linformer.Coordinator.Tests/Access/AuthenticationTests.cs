using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class AuthenticationTests
{
    private const string One = "token-number-one-of-the-file";
    private const string Two = "token-number-two-of-the-file";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task To_ask_nobody_beyond_loopback_is_refused_unless_it_is_said_in_so_many_words()
    {
        foreach (var address in (string[])["0.0.0.0:0", "*:0", "[::]:0"])
        {
            var refusal = await Should.ThrowAsync<ArgumentException>(() => StartAsync(AuthenticationMode.Never, "localhost:0", address));
            refusal.Message.ShouldContain("never-even-from-network");
            refusal.Message.ShouldContain("whoever reached the port would be an admin");
        }
        await using var local = await StartAsync(AuthenticationMode.Never, "localhost:0");
        await local.SubmitAsync();

        var log = new LogCollector();
        await using var open = await StartAsync(AuthenticationMode.NeverEvenFromNetwork, log, "0.0.0.0:0");
        using var channel = Channel(open);
        (await WhoAsync(channel)).Role.ShouldBe(Proto.Role.Admin);
        log.Lines.ShouldContain(line => line.Contains("NO AUTHENTICATION") && line.Contains("0.0.0.0"));
    }

    [Fact]
    public async Task Tokens_that_others_can_read_on_the_way_are_warned_of_at_the_start()
    {
        var log = new LogCollector();
        await using (await StartAsync(AuthenticationMode.FromNetwork, log, "0.0.0.0:0"))
            log.Events.ShouldContain(one => one.Level == Serilog.Events.LogEventLevel.Warning && one.RenderMessage(null).Contains("NO TLS") && one.RenderMessage(null).Contains("--tls-certificate"));
        var quiet = new LogCollector();
        await using (await StartAsync(AuthenticationMode.FromNetwork, quiet, "localhost:0"))
            quiet.Events.ShouldNotContain(one => one.RenderMessage(null).Contains("NO TLS"));
    }

    [Fact]
    public async Task On_loopback_a_token_that_is_shown_counts_and_a_wrong_one_is_not_passed_over()
    {
        await using var coordinator = await StartAsync(AuthenticationMode.FromNetwork, "localhost:0");
        var tokens = new Proto.Tokens.TokensClient(coordinator.Channel);
        var made = await tokens.CreateAsync(new Proto.CreateTokenRequest { User = "ada", Role = Proto.Role.Viewer });
        made.Token.CreatedBy.ShouldBe("local");
        (await WhoAsync(coordinator.Channel)).Role.ShouldBe(Proto.Role.Admin);
        (await WhoAsync(coordinator.Channel, made.Secret)).User.ShouldBe("ada");
        await Refused.With(
            StatusCode.PermissionDenied, async () => await coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), SecureCoordinator.Bearer(made.Secret)));
        await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(coordinator.Channel, "wrong-token-of-some-length"));
    }

    [Fact]
    public async Task Always_asks_on_loopback_too()
    {
        await using var coordinator = await StartAsync(AuthenticationMode.Always, "localhost:0");
        var refusal = await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(coordinator.Channel));
        refusal.Status.Detail.ShouldContain("user token is missing");
        refusal.Status.Detail.ShouldContain("linformer tokens create");
        (await WhoAsync(coordinator.Channel, coordinator.Host.UserToken)).User.ShouldBe("admin");
    }

    [Fact]
    public async Task Every_line_of_a_file_is_a_token_and_a_changed_file_is_read_again()
    {
        using var folder = new TemporaryFolder();
        var (admin, join) = (folder.File("admins"), folder.File("joins"));
        Replace(admin, $"# of the first team\n{One}\n\n{Two}\n");
        Replace(join, $"{One}-join\n{Two}-join");
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with
        {
            Authentication = AuthenticationMode.Always,
            AdminTokenFile = admin,
            JoinTokenFile = join,
        });
        Directory.GetFiles(Path.Combine(coordinator.DataFolder, "coordinator")).Select(Path.GetFileName).ShouldNotContain(name => name!.EndsWith("-token", StringComparison.Ordinal));
        coordinator.Host.UserToken.ShouldBe(One);
        coordinator.Host.JoinToken.ShouldBe(One + "-join");
        (await WhoAsync(coordinator.Channel, One)).User.ShouldBe("admin");
        (await WhoAsync(coordinator.Channel, Two)).User.ShouldBe("admin");
        await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(coordinator.Channel, "# of the first team"));
        using var agent = new FakeAgent(coordinator, Two + "-join");
        await agent.JoinAsync();

        // A file that holds something else is a mistake: what was read before stays.
        Replace(admin, "short\n");
        Replace(join, $"{One}-join\nanother-join-token\n");
        await UntilRefusedAsync(agent);
        (await WhoAsync(coordinator.Channel, Two)).User.ShouldBe("admin");
        Replace(admin, "another-admin-token\n");
        using var patience = new CancellationTokenSource(Patience);
        while (await IsTakenAsync(coordinator, One))
            await Task.Delay(50, patience.Token);
        (await WhoAsync(coordinator.Channel, "another-admin-token")).User.ShouldBe("admin");
        using var next = new FakeAgent(coordinator, "another-join-token");
        await next.JoinAsync("w2");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_file_that_is_emptied_or_deleted_lets_nobody_in(bool deleted)
    {
        using var folder = new TemporaryFolder();
        var admin = folder.File("admins");
        Replace(admin, One);
        var log = new LogCollector();
        await using var coordinator = await TestCoordinator.StartAsync(
            change: options => options with { Authentication = AuthenticationMode.Always, AdminTokenFile = admin }, logger: log.Logger);
        (await WhoAsync(coordinator.Channel, One)).User.ShouldBe("admin");
        if (deleted)
            File.Delete(admin);
        else
            Replace(admin, "# none\n");
        using var patience = new CancellationTokenSource(Patience);
        while (await IsTakenAsync(coordinator, One))
            await Task.Delay(50, patience.Token);
        log.Events.ShouldContain(one => one.Level == Serilog.Events.LogEventLevel.Warning && one.RenderMessage(null).Contains("NOBODY IS LET IN") && one.RenderMessage(null).Contains(admin));
        Replace(admin, Two);
        while (!await IsTakenAsync(coordinator, Two))
            await Task.Delay(50, patience.Token);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task That_workers_can_read_the_admin_s_token_is_warned_of_at_the_start(bool elsewhere)
    {
        using var folder = new TemporaryFolder();
        Replace(folder.File("admins"), One);
        var log = new LogCollector();
        await using var coordinator = await TestCoordinator.StartAsync(
            change: options => options with { Listen = ["0.0.0.0:0"], AdminTokenFile = elsewhere ? folder.File("admins") : null }, logger: log.Logger);
        log.Lines.Any(line => line.Contains("--admin-token-file")).ShouldBe(!elsewhere);
    }

    [Theory]
    [InlineData("", "holds no token")]
    [InlineData("short\n", "has 5 characters")]
    [InlineData("a token with spaces in it\n", "letters, digits")]
    public async Task A_file_that_holds_no_tokens_is_refused_without_showing_it(string text, string why)
    {
        using var folder = new TemporaryFolder();
        Replace(folder.File("admins"), text);
        var refusal = await Should.ThrowAsync<Coordinator.Storage.StorageException>(
            () => TestCoordinator.StartAsync(change: options => options with { AdminTokenFile = folder.File("admins") }));
        refusal.Message.ShouldContain(why);
        refusal.Message.ShouldContain("admins");
        if (text.Length > 0)
            refusal.Message.ShouldNotContain(text.Trim());
    }

    [Fact]
    public async Task A_token_file_that_is_not_there_is_named()
    {
        var refusal = await Should.ThrowAsync<Coordinator.Storage.StorageException>(
            () => TestCoordinator.StartAsync(change: options => options with { JoinTokenFile = "/nowhere/joins" }));
        refusal.Message.ShouldContain("/nowhere/joins");
    }

    private static async Task UntilRefusedAsync(FakeAgent agent) => (await Refused.With(StatusCode.Unauthenticated, async () =>
    {
        while (true)
            await agent.ReadAsync();
    })).Status.Detail.ShouldContain("join-token");

    private static async Task<bool> IsTakenAsync(TestCoordinator coordinator, string token)
    {
        try
        {
            await WhoAsync(coordinator.Channel, token);
            return true;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Unauthenticated)
        {
            return false;
        }
    }

    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static async Task<Proto.WhoAmIResponse> WhoAsync(GrpcChannel channel, string? token = null) =>
        await new Proto.Tokens.TokensClient(channel).WhoAmIAsync(new Proto.WhoAmIRequest(), token is null ? [] : SecureCoordinator.Bearer(token));

    private static GrpcChannel Channel(TestCoordinator coordinator) => GrpcChannel.ForAddress($"http://127.0.0.1:{coordinator.Host.Addresses[0].Port}");

    private static Task<TestCoordinator> StartAsync(AuthenticationMode mode, params string[] listen) => StartAsync(mode, new LogCollector(), listen);

    private static Task<TestCoordinator> StartAsync(AuthenticationMode mode, LogCollector log, params string[] listen) =>
        TestCoordinator.StartAsync(change: options => options with { Authentication = mode, Listen = listen }, logger: log.Logger);
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

/// <summary>No secret is found afterwards in anything that the coordinator has logged, stored or answered.</summary>
public sealed class SecrecyTests
{
    private const string Wrong = "a-wrong-token-0123456789-abcdefghijkl";
    private const string Own = "Zm9yIGEgbG9uZyB0aW1lIEkgdXNlZCB0byBnbyB0byBiZWQgZWFybHkgaW4gdGhlIGV2ZW5pbmcgYW5kIHNvIG9u/+8=";
    private const string WrongJoin = "a-wrong-join-token-0123456789-abcdefg";

    [Fact]
    public async Task Tokens_are_in_no_log_no_table_and_no_message()
    {
        using var folder = new TemporaryFolder();
        var log = new Everything();
        var answers = new List<string>();
        string[] secrets;
        await using (var coordinator = await SecureCoordinator.StartAsync(folder, logger: log.Logger))
        {
            // As somebody makes one with other means.
            await File.AppendAllTextAsync(folder.File("coordinator/user-token"), Own + "\n");
            using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60)))
            {
                while (!await IsTakenAsync(coordinator, Own))
                    await Task.Delay(50, patience.Token);
            }
            var made = await coordinator.CreateAsync("ada", Proto.Role.Submitter);
            var revoked = await coordinator.CreateAsync("bob", Proto.Role.Submitter);
            await coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = revoked.Token.Id }, coordinator.Admin);
            secrets =
            [
                coordinator.Coordinator.Host.UserToken, coordinator.Coordinator.Host.JoinToken, Own, Wrong, WrongJoin,
                .. new[] { made.Secret, revoked.Secret }.Select(secret => secret[^43..]),
            ];
            var ada = SecureCoordinator.Bearer(made.Secret);
            await coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), ada);
            foreach (var shown in (string[])[Wrong, revoked.Secret, coordinator.Coordinator.Host.JoinToken])
            {
                await AnswerAsync(async () => await coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), SecureCoordinator.Bearer(shown)));
                await AnswerAsync(async () => await coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), SecureCoordinator.Bearer(shown)));
            }
            foreach (var shown in (string[])[WrongJoin, made.Secret])
            {
                using var agent = new FakeAgent(coordinator.Coordinator, shown);
                await AnswerAsync(agent.ReadAsync);
            }
            // Pasted where something else belongs.
            foreach (var caller in (Metadata[])[ada, coordinator.Admin])
            {
                await AnswerAsync(async () => await coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Secret }, caller));
                await AnswerAsync(async () => await coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = coordinator.Coordinator.Host.UserToken }, caller));
                await AnswerAsync(async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = made.Secret }, caller));
                await AnswerAsync(async () => await coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = made.Secret }, caller));
                await AnswerAsync(async () => await coordinator.Tokens.CreateAsync(new Proto.CreateTokenRequest { User = made.Secret, Role = Proto.Role.Viewer }, caller));
            }
            foreach (var pasted in (string[])[coordinator.Coordinator.Host.UserToken, coordinator.Coordinator.Host.JoinToken, Own, "--token=" + Own + "."])
            {
                await AnswerAsync(async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = pasted }, ada));
                await AnswerAsync(async () => await coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = pasted }, coordinator.Admin));
                await coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = "small", Why = $"not with {pasted}" }, ada);
                await coordinator.Jobs.ResumeAsync(new Proto.ChangeRequest { Job = "small" }, ada);
                using var agent = new FakeAgent(coordinator.Coordinator);
                await agent.SendAsync(FakeAgent.Hello(pasted));
                await AnswerAsync(agent.ReadAsync);
            }
            await coordinator.Tokens.CreateAsync(new Proto.CreateTokenRequest { User = "eve", Role = Proto.Role.Viewer, Note = "instead of " + made.Secret }, coordinator.Admin);
            await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "small", Why = "not with " + made.Secret }, ada);
            answers.Add((await coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "small" }, ada)).ToString());
            answers.Add((await coordinator.Tokens.ListAsync(new Proto.ListTokensRequest { All = true }, coordinator.Admin)).ToString());
            answers.Add((await coordinator.Tokens.AuditAsync(new Proto.AuditRequest(), coordinator.Admin)).ToString());
        }

        log.Text.ShouldContain("/linformer.v1.Jobs/Submit");
        var database = string.Concat(Directory.GetFiles(folder.File("coordinator"), "linformer.db*").Select(file => Encoding.Latin1.GetString(File.ReadAllBytes(file))));
        database.ShouldContain("/linformer.v1.Tokens/Revoke");
        foreach (var secret in secrets)
        {
            log.Text.ShouldNotContain(secret, Case.Sensitive);
            string.Join('\n', answers).ShouldNotContain(secret, Case.Sensitive);
            database.Contains(secret, StringComparison.Ordinal).ShouldBeFalse($"the database holds the secret number {Array.IndexOf(secrets, secret)}");
        }

        async Task AnswerAsync(Func<Task> call) => answers.Add((await Should.ThrowAsync<RpcException>(call)).ToString());
    }

    private static async Task<bool> IsTakenAsync(SecureCoordinator coordinator, string token)
    {
        try
        {
            await coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), SecureCoordinator.Bearer(token));
            return true;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Unauthenticated)
        {
            return false;
        }
    }

    /// <summary>All that is logged, at every level, with its properties and exceptions.</summary>
    private sealed class Everything : ILogEventSink
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public Everything() => Logger = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(this).CreateLogger();

        public ILogger Logger { get; }

        public string Text => string.Join('\n', _lines);

        public void Emit(LogEvent logEvent) => _lines.Enqueue(
            $"{logEvent.RenderMessage(CultureInfo.InvariantCulture)} {string.Join(' ', logEvent.Properties.Select(one => $"{one.Key}={one.Value}"))} {logEvent.Exception}");
    }
}

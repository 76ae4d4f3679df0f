using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class TokensTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private SecureCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await SecureCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task A_token_is_shown_once_and_says_who_calls()
    {
        var made = await _coordinator.CreateAsync("ada@example.org", Proto.Role.Submitter, seconds: 3600);
        made.Secret.ShouldMatch("^lft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$");
        made.Secret.ShouldStartWith($"lft_{made.Token.Id}_");
        (made.Token.User, made.Token.Role, made.Token.Note, made.Token.CreatedBy).ShouldBe(("ada@example.org", Proto.Role.Submitter, "test", "admin"));
        (made.Token.ExpiresAt - made.Token.CreatedAt).ToTimeSpan().ShouldBe(TimeSpan.FromHours(1));

        var who = await _coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), SecureCoordinator.Bearer(made.Secret));
        (who.User, who.Role, who.TokenId, who.ExpiresAt).ShouldBe(("ada@example.org", Proto.Role.Submitter, made.Token.Id, made.Token.ExpiresAt));
        var admin = await _coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), _coordinator.Admin);
        (admin.User, admin.Role, admin.TokenId, admin.ExpiresAt).ShouldBe(("admin", Proto.Role.Admin, "user-token", null));
        (await ListAsync(_coordinator.Admin)).ShouldHaveSingleItem().ShouldBe(made.Token);
    }

    [Fact]
    public async Task Any_other_text_is_no_token()
    {
        var secret = (await _coordinator.CreateAsync("ada", Proto.Role.Viewer)).Secret;
        foreach (var wrong in (string[])[secret[..^1], secret + "A", secret[..^1] + (secret[^1] == 'A' ? 'B' : 'A'), secret.ToUpperInvariant(), secret[4..], "x" + secret])
            await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(SecureCoordinator.Bearer(wrong)));
        await WhoAsync(SecureCoordinator.Bearer(secret));
    }

    [Fact]
    public async Task A_call_whose_token_is_revoked_before_its_message_comes_changes_nothing()
    {
        var job = (await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _coordinator.Admin)).Job;
        var made = await _coordinator.CreateAsync("ada", Proto.Role.Admin);
        using var client = HeldCall.Client(_coordinator);
        using var call = new HeldCall(client, "/linformer.v1.Jobs/Cancel", SecureCoordinator.Bearer(made.Secret), new Proto.ChangeRequest { Job = job.Id });
        using var first = new HeldCall(client, "/linformer.v1.Tokens/WhoAmI", SecureCoordinator.Bearer(made.Secret), new Proto.WhoAmIRequest());
        // The connection is one, so the gate has seen the headers of the one before.
        await call.Begun;
        first.Complete();
        (await first.Answer).StatusCode.ShouldBe(StatusCode.OK);
        await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Token.Id }, _coordinator.Admin);
        call.Complete();
        var refused = await call.Answer.WaitAsync(Patience);
        refused.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        refused.Detail.ShouldContain("revoked");
        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id }, _coordinator.Admin)).Job.State.ShouldNotBe(Proto.JobState.Cancelled);
    }

    [Fact]
    public async Task A_revoked_token_is_wrong_at_once_and_its_streams_end()
    {
        var job = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _coordinator.Admin);
        var made = await _coordinator.CreateAsync("ada", Proto.Role.Viewer);
        var ada = SecureCoordinator.Bearer(made.Secret);
        using var watch = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job.Job.Id }, ada);
        (await watch.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        using var logs = _coordinator.Jobs.Logs(new Proto.LogsRequest { Job = job.Job.Id, Follow = true }, ada);

        var revoked = await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Token.Id }, _coordinator.Admin);
        revoked.RevokedAt.ShouldNotBeNull();
        await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(ada));
        using var patience = new CancellationTokenSource(Patience);
        foreach (var end in (Func<Task<bool>>[])[() => watch.ResponseStream.MoveNext(patience.Token), () => logs.ResponseStream.MoveNext(patience.Token)])
        {
            (await Refused.With(StatusCode.Unauthenticated, async () =>
            {
                while (await end())
                {
                    // What was sent before.
                }
            })).Status.Detail.ShouldContain($"'{made.Token.Id}' was revoked");
        }
        // Again: since when it is revoked stays.
        (await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Token.Id }, _coordinator.Admin)).ShouldBe(revoked);
        (await ListAsync(_coordinator.Admin)).ShouldBeEmpty();
        (await ListAsync(_coordinator.Admin, all: true)).ShouldHaveSingleItem().ShouldBe(revoked);
    }

    [Fact]
    public async Task A_token_that_expires_is_wrong_from_then_on_and_its_streams_end()
    {
        var job = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _coordinator.Admin);
        var made = await _coordinator.CreateAsync("ada", Proto.Role.Viewer, seconds: 6);
        var ada = SecureCoordinator.Bearer(made.Secret);
        using var logs = _coordinator.Jobs.Logs(new Proto.LogsRequest { Job = job.Job.Id, Follow = true }, ada);
        await WhoAsync(ada);
        using var patience = new CancellationTokenSource(Patience);
        (await Refused.With(StatusCode.Unauthenticated, () => logs.ResponseStream.MoveNext(patience.Token))).Status.Detail.ShouldContain("expired");
        await Refused.With(StatusCode.Unauthenticated, () => WhoAsync(ada));
        (await ListAsync(_coordinator.Admin)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Others_than_admins_see_and_revoke_their_own_alone()
    {
        var ada = await _coordinator.CreateAsync("ada", Proto.Role.Submitter);
        var lost = await _coordinator.CreateAsync("ada", Proto.Role.Submitter);
        var bob = await _coordinator.CreateAsync("bob", Proto.Role.Submitter);
        var asAda = SecureCoordinator.Bearer(ada.Secret);
        (await ListAsync(asAda)).Select(token => token.Id).Order().ShouldBe(new[] { ada.Token.Id, lost.Token.Id }.Order());
        var refusal = await Refused.With(
            StatusCode.PermissionDenied, async () => await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = bob.Token.Id }, asAda));
        refusal.Status.Detail.ShouldContain("person:bob");
        await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = lost.Token.Id }, asAda);
        (await ListAsync(_coordinator.Admin)).Select(token => token.Id).Order().ShouldBe(new[] { ada.Token.Id, bob.Token.Id }.Order());
        await Refused.With(StatusCode.NotFound, async () => await _coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = "aaaaaaaa" }, asAda));
    }

    [Fact]
    public async Task What_a_token_may_be_has_bounds()
    {
        Proto.CreateTokenRequest[] wrong =
        [
            new() { User = "", Role = Proto.Role.Viewer },
            new() { User = new string('a', 65), Role = Proto.Role.Viewer },
            new() { User = "a/b", Role = Proto.Role.Viewer },
            new() { User = "two\nlines", Role = Proto.Role.Viewer },
            new() { User = "ada" },
            new() { User = "ada", Role = (Proto.Role)7 },
            new() { User = "ada", Role = Proto.Role.Viewer, LifetimeSeconds = -1 },
            new() { User = "ada", Role = Proto.Role.Viewer, LifetimeSeconds = 10L * 366 * 86400 },
            new() { User = "ada", Role = Proto.Role.Viewer, LifetimeSeconds = long.MaxValue },
            new() { User = "ada", Role = Proto.Role.Viewer, Note = new string('n', 257) },
        ];
        foreach (var request in wrong)
            await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Tokens.CreateAsync(request, _coordinator.Admin));
        (await ListAsync(_coordinator.Admin, all: true)).ShouldBeEmpty();
        var usual = await _coordinator.CreateAsync("ada", Proto.Role.Viewer);
        (usual.Token.ExpiresAt - usual.Token.CreatedAt).ToTimeSpan().ShouldBe(TimeSpan.FromDays(90));
    }

    [Fact]
    public async Task Tokens_hold_after_a_restart_and_revoked_ones_stay_revoked()
    {
        using var folder = new TemporaryFolder();
        Metadata kept, revoked;
        await using (var first = await SecureCoordinator.StartAsync(folder))
        {
            kept = await first.AsAsync("ada", Proto.Role.Viewer);
            var made = await first.CreateAsync("bob", Proto.Role.Viewer);
            revoked = SecureCoordinator.Bearer(made.Secret);
            await first.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Token.Id }, first.Admin);
        }
        await using var second = await SecureCoordinator.StartAsync(folder);
        (await second.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), kept)).User.ShouldBe("ada");
        await Refused.With(StatusCode.Unauthenticated, async () => await second.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), revoked));
    }

    private async Task<string> WhoAsync(Metadata caller) => (await _coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), caller)).User;

    private async Task<IReadOnlyList<Proto.Token>> ListAsync(Metadata caller, bool all = false) =>
        [.. (await _coordinator.Tokens.ListAsync(new Proto.ListTokensRequest { All = all }, caller)).Tokens];
}

using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

/// <summary><c>whoami</c>, <c>tokens</c> and <c>audit</c>.</summary>
public sealed class AccessTests : ClusterTest
{
    private static readonly Token AdasToken = new()
    {
        Id = "k3x7qabc",
        User = "ada",
        Role = Role.Submitter,
        Note = "nightly",
        CreatedBy = "admin",
        CreatedAt = Timestamp.FromDateTime(Noon),
        ExpiresAt = Timestamp.FromDateTime(new DateTime(2999, 1, 1, 0, 0, 0, DateTimeKind.Utc)),
    };

    [Fact]
    public async Task Whoami_tells_user_role_and_token()
    {
        Coordinator.Tokens.OnWhoAmI = _ => new WhoAmIResponse { User = "ada", Role = Role.Submitter, TokenId = "k3x7qabc" };

        (await Run("whoami")).ShouldBe(0);

        Output.ToString().ShouldBe("ada, submitter, by token k3x7qabc\n");
    }

    [Fact]
    public async Task Whoami_tells_that_nobody_asks_for_a_token()
    {
        Coordinator.Tokens.OnWhoAmI = _ => new WhoAmIResponse { Role = Role.Admin };

        (await Run("whoami", "--output", "json")).ShouldBe(0);
        Json().GetProperty("role").GetString().ShouldBe("admin");
        Output.Clear();
        (await Run("whoami")).ShouldBe(0);
        Output.ToString().ShouldBe("anybody, admin, without a token\n");
    }

    [Fact]
    public async Task A_new_token_is_alone_on_stdout()
    {
        Coordinator.Tokens.OnCreate = _ => new CreateTokenResponse { Token = AdasToken, Secret = "lft_k3x7qabc_SECRET" };

        (await Run("tokens", "create", "ada", "--role", "submitter", "--days", "30", "--note", "nightly")).ShouldBe(0);

        Output.ToString().ShouldBe("lft_k3x7qabc_SECRET\n");
        Error.ToString().ShouldContain($"./linformer tokens revoke k3x7qabc --coordinator {Coordinator.Address}");
        Error.ToString().ShouldNotContain("SECRET");
        Coordinator.Tokens.Requests.ShouldHaveSingleItem().ShouldBe(
            new CreateTokenRequest { User = "ada", Role = Role.Submitter, LifetimeSeconds = 2_592_000, Note = "nightly" });
    }

    [Fact]
    public async Task A_new_token_as_json_has_its_secret_and_its_id()
    {
        Coordinator.Tokens.OnCreate = _ => new CreateTokenResponse { Token = AdasToken, Secret = "lft_k3x7qabc_SECRET" };

        (await Run("tokens", "create", "ada", "--role", "viewer", "--output", "json")).ShouldBe(0);

        Json().GetProperty("secret").GetString().ShouldBe("lft_k3x7qabc_SECRET");
        Json().GetProperty("token").GetProperty("id").GetString().ShouldBe("k3x7qabc");
        ((CreateTokenRequest)Coordinator.Tokens.Requests.Single()).LifetimeSeconds.ShouldBe(90 * 86_400);
    }

    [Fact]
    public async Task Tokens_are_listed_with_their_state()
    {
        var revoked = AdasToken.Clone();
        (revoked.Id, revoked.RevokedAt) = ("revoked1", Timestamp.FromDateTime(Noon));
        var expired = AdasToken.Clone();
        (expired.Id, expired.ExpiresAt) = ("expired1", Timestamp.FromDateTime(new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc)));
        Coordinator.Tokens.OnList = request => new ListTokensResponse { Tokens = { AdasToken, revoked, expired }, };

        (await Run("tokens", "--all")).ShouldBe(0);

        Lines()[1].ShouldMatch("^k3x7qabc +ada +submitter +holds ");
        Lines()[2].ShouldMatch("^revoked1 .* revoked ");
        Lines()[3].ShouldMatch("^expired1 .* expired ");
        Coordinator.Tokens.Requests.ShouldHaveSingleItem().ShouldBe(new ListTokensRequest { All = true });
    }

    [Fact]
    public async Task A_token_is_revoked_by_its_id()
    {
        Coordinator.Tokens.OnRevoke = request => AdasToken;

        (await Run("tokens", "revoke", "k3x7qabc")).ShouldBe(0);

        Output.ToString().ShouldBe("Token k3x7qabc of ada holds no more.\n");
        Coordinator.Tokens.Requests.ShouldHaveSingleItem().ShouldBe(new RevokeTokenRequest { Id = "k3x7qabc" });
    }

    [Fact]
    public async Task What_the_role_does_not_allow_is_told_in_the_coordinators_words()
    {
        Coordinator.Tokens.OnCreate = _ => throw JobsScript.Refusal(StatusCode.PermissionDenied, "Only an admin may make tokens; you are ada, a submitter.");

        (await Run("tokens", "create", "eve", "--role", "admin")).ShouldBe(1);

        Error.ToString().ShouldBe("error: Only an admin may make tokens; you are ada, a submitter.\n");
        Output.ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("tokens create ada", "--role")]
    [InlineData("tokens create ada --role root", "root")]
    [InlineData("tokens create ada --role viewer --days 0", "--days is 0; allowed are 1 to 1825.")]
    [InlineData("tokens revoke", "revoke")]
    [InlineData("audit --newest 0", "--newest is 0; allowed are 1 to 1000.")]
    [InlineData("audit --newest abc", "--newest is abc; allowed are 1 to 1000.")]
    [InlineData("audit --all --newest 1 --after 3", "--newest and --all and --after exclude each other; give one of them.")]
    [InlineData("audit --all --after 3", "--all and --after exclude each other; give one of them.")]
    [InlineData("audit --after -1", "--after is -1; it must be 0 or more.")]
    public async Task Wrong_arguments_are_named(string arguments, string expected)
    {
        (await Run(arguments.Split(' '))).ShouldBe(1);

        Error.ToString().ShouldContain(expected);
        Coordinator.Tokens.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_newest_of_the_audit_log_are_one_page()
    {
        Coordinator.Tokens.OnAudit = _ => new AuditResponse { Entries = { Change(7), Change(8) }, More = true };

        (await Run("audit", "--newest", "2", "--user", "ada")).ShouldBe(0);

        Lines().Length.ShouldBe(3);
        Lines()[1].ShouldMatch("^ *7 .* ada +submitter +k3x7qabc +10.0.0.9:4711 +Jobs/Cancel +tiny-abcde +ok$");
        Coordinator.Tokens.Requests.ShouldHaveSingleItem().ShouldBe(new AuditRequest { Newest = true, PageSize = 2, User = "ada" });
    }

    [Fact]
    public async Task All_of_the_audit_log_comes_page_by_page_each_entry_once()
    {
        Coordinator.Tokens.OnAudit = request => request.After switch
        {
            0 => new AuditResponse { Entries = { Change(1), Change(2) }, More = true },
            2 => new AuditResponse { Entries = { Change(3) } },
            _ => throw JobsScript.Refusal(StatusCode.InvalidArgument, "not asked for"),
        };

        (await Run("audit", "--all", "--output", "json")).ShouldBe(0, Error.ToString());

        Lines().Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("sequence").GetInt32()).ShouldBe([1, 2, 3]);
    }

    [Fact]
    public async Task What_an_attacker_wrote_does_not_steer_the_terminal()
    {
        var entry = Change(1);
        entry.Target = "a\u001b]0;owned\u0007b";
        Coordinator.Tokens.OnAudit = _ => new AuditResponse { Entries = { entry } };

        (await Run("audit")).ShouldBe(0);

        Output.ToString().ShouldContain("a?]0;owned?b");
        Output.ToString().ShouldNotContain('\u001b');
    }

    private static AuditEntry Change(long number) => new()
    {
        Sequence = number,
        At = Timestamp.FromDateTime(Noon),
        User = "ada",
        Role = "submitter",
        TokenId = "k3x7qabc",
        Peer = "10.0.0.9:4711",
        Method = "/linformer.v1.Jobs/Cancel",
        Target = "tiny-abcde",
        Outcome = "ok",
    };
}

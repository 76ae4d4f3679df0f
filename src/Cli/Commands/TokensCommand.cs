using System.CommandLine;
using System.Globalization;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>tokens</c>: lists the tokens of people, makes and revokes them.</summary>
internal static class TokensCommand
{
    private const int MostDays = 5 * 365;
    private const int StandardDays = 90;
    private static readonly string[] Roles = ["viewer", "submitter", "admin"];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var all = new Option<bool>("--all") { Description = "Revoked and expired ones, too" };
        var command = new Command("tokens", "List the tokens of people: for an admin all of them, for others their own. Never shows the secrets, which nobody keeps")
        {
            all, Make(), Revoke(),
        };
        command.WithExamples("tokens", "tokens --all --output json", "tokens create ada --role submitter --days 30 > ada.token");
        client.SetAction(command, async (session, cancellation) =>
        {
            var response = await session.Client.Tokens.ListAsync(new ListTokensRequest { All = session.Parsed.GetValue(all) }, session.Client.Call(cancellation));
            session.Context.WriteMessage(response, output =>
            {
                if (response.Tokens.Count == 0)
                    session.Context.Note($"No tokens. An admin makes one with {session.Command("tokens create USER --role submitter")}");
                else
                    Lists.Tokens(response.Tokens, DateTime.UtcNow).Write(output, session.Context.Width);
            });
            return ExitCodes.Success;
        });
        return command;
    }

    private static Command Make()
    {
        var client = new ClientOptions();
        var user = new Argument<string>("USER") { Description = "Whose it is: 1 to 64 letters, digits and ._@-" };
        var role = new Option<string>("--role") { Description = "What may be done with it: see everything, also submit and change the own jobs, or everything", HelpName = string.Join('|', Roles), Required = true };
        role.AcceptOnlyFromAmong(Roles);
        var days = Options.CountOption.Create("--days", "For how long it holds", StandardDays, MostDays);
        var note = new Option<string?>("--note") { Description = "What it is for, such as \"nightly build\"", HelpName = "TEXT" };
        var command = new Command("create", "Make a token. It is printed once, and kept nowhere") { user, role, days, note };
        command.WithExamples(
            "tokens create ada --role submitter > ada.token",
            "tokens create dashboards --role viewer --days 365 --note \"the wall in room 3\"");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new CreateTokenRequest
            {
                User = session.Parsed.GetValue(user),
                Role = RoleOf(session.Parsed.GetValue(role)!),
                LifetimeSeconds = (long)TimeSpan.FromDays(session.Parsed.GetValue(days)).TotalSeconds,
                Note = session.Parsed.GetValue(note) ?? "",
            };
            var created = await session.Client.Tokens.CreateAsync(request, session.Client.Call(cancellation));
            session.Context.WriteMessage(created, output => output.WriteLine(created.Secret));
            var token = created.Token;
            session.Context.Note(
                $"""
                Token {token.Id} of {token.User}, {Words.Role(token.Role)}, holds until {Words.Time(token.ExpiresAt)}. It is shown this once only.
                  keep it:   (umask 077; cat > token), and paste it there; only its owner may read the file
                  use it:    {session.CommandOfOthers("jobs --token-file token")}, or LINFORMER_TOKEN
                  revoke it: {session.Command($"tokens revoke {token.Id}")}
                """);
            return ExitCodes.Success;
        });
        return command;
    }

    private static Command Revoke()
    {
        var client = new ClientOptions();
        var id = new Argument<string>("ID") { Description = "The token's id, as `tokens` lists it" };
        var command = new Command("revoke", "End a token at once; others than admins may revoke their own") { id };
        command.WithExamples("tokens revoke k3x7qabc");
        client.SetAction(command, async (session, cancellation) =>
        {
            var revoked = await session.Client.Tokens.RevokeAsync(new RevokeTokenRequest { Id = session.Parsed.GetValue(id) }, session.Client.Call(cancellation));
            session.Context.WriteMessage(revoked, output => output.WriteLine($"Token {revoked.Id} of {revoked.User} holds no more."));
            return ExitCodes.Success;
        });
        return command;
    }

    private static Role RoleOf(string word) => Enum.Parse<Role>(CultureInfo.InvariantCulture.TextInfo.ToTitleCase(word));
}

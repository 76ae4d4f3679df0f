using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>whoami</c>: who calls, as the coordinator sees it.</summary>
internal static class WhoAmICommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var command = new Command("whoami", "Show as whom the coordinator sees you, and what you may do");
        command.WithExamples("whoami", "whoami --coordinator https://head:7070 --ca ca.pem --token-file token");
        client.SetAction(command, async (session, cancellation) =>
        {
            var me = await session.Client.Tokens.WhoAmIAsync(new WhoAmIRequest(), session.Client.Call(cancellation));
            session.Context.WriteMessage(me, output => output.WriteLine(
                $"{(me.User.Length > 0 ? me.User : "anybody")}, {Words.Role(me.Role)}{(me.TokenId.Length > 0 ? $", by token {me.TokenId}" : ", without a token")}{Until(me)}"));
            return ExitCodes.Success;
        });
        return command;
    }

    private static string Until(WhoAmIResponse me) => me.ExpiresAt is null ? "" : $", until {Words.Time(me.ExpiresAt)}";
}

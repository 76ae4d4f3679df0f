using System.CommandLine;
using System.Net;
using Linformer.Cli.Certificates;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands;

/// <summary><c>certificates</c>: an authority of a cluster's own, for trials and small clusters.</summary>
internal static class CertificatesCommand
{
    private const int StandardDays = 365;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var to = new Option<string>("--to") { Description = "The folder for ca.pem, server.pem, worker.pem and their keys", HelpName = "DIR", Required = true };
        var hosts = new Option<string[]>("--host")
        {
            Description = "A DNS name or an IP address under which a coordinator is reached; one or more",
            HelpName = "NAME…",
            AllowMultipleArgumentsPerToken = true,
        };
        hosts.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => !IsHost(token.Value)))
                result.AddError($"--host is '{token.Value}'; it must be a DNS name or an IP address.");
        });
        var days = CountOption.Create("--days", "For how long the certificates hold; the authority holds for ten years", StandardDays, Authority.Days);
        var renew = new Option<bool>("--renew") { Description = "Sign new certificates with the authority in DIR; for the same names unless --host gives others" };
        var command = new Command(
            "certificates", "Make an authority, and with it a certificate for coordinators and one for workers: TLS for trials and small clusters") { to, hosts, days, renew };
        command.Validators.Add(result =>
        {
            if (!result.GetValue(renew) && result.GetResult(hosts) is not { Tokens.Count: > 0 })
                result.AddError("--host is missing: the names and addresses under which coordinators are reached.");
        });
        command.WithExamples(
            "certificates --to certs --host head.example.org 10.0.0.1",
            "certificates --to certs --renew                # coordinators and workers read the new ones by themselves");
        command.SetAction(parsed =>
        {
            var path = Path.GetFullPath(parsed.GetValue(to)!);
            var folder = new CertificateFolder(path);
            string[] names = [.. (parsed.GetValue(hosts) ?? []).Distinct()];
            var isRenewal = parsed.GetValue(renew);
            var now = DateTimeOffset.UtcNow;
            var until = isRenewal ? folder.Renew(names, parsed.GetValue(days), now) : folder.Create(names, parsed.GetValue(days), now);
            CommandContext.Of(parsed).WriteResult(
                new { folder = path, authority = folder.Certificate("ca"), server = folder.Certificate("server"), worker = folder.Certificate("worker"), until = WholeSeconds(until) },
                output => Write(output, folder, names.FirstOrDefault(), isRenewal, until));
            return ExitCodes.Success;
        });
        return command;
    }

    // As in the certificates, and as other commands write times.
    private static DateTime WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds()).UtcDateTime;

    private static bool IsHost(string text) => Uri.CheckHostName(text.StartsWith("*.", StringComparison.Ordinal) ? text[2..] : text) switch
    {
        UriHostNameType.IPv4 or UriHostNameType.IPv6 => IPAddress.TryParse(text, out _),
        UriHostNameType.Dns => true,
        _ => false,
    };

    private static void Write(TextWriter output, CertificateFolder folder, string? host, bool isRenewal, DateTimeOffset until)
    {
        string Of(string name) => $"--tls-certificate {Shell.Quote(folder.Certificate(name))} --tls-key {Shell.Quote(folder.Key(name))}";
        output.WriteLine($"The certificates hold until {until:yyyy-MM-dd}.");
        if (isRenewal)
        {
            output.WriteLine("Coordinators and workers that use these files read them within seconds; copy them to the others.");
            return;
        }

        var ca = Shell.Quote(folder.Certificate("ca"));
        var address = new CoordinatorAddress(host!, CoordinatorAddress.DefaultPort, Uri.UriSchemeHttps);
        output.WriteLine($"Coordinator: ./linformer coordinator --listen 0.0.0.0:{address.Port} {Of("server")} --worker-ca {ca}");
        output.WriteLine($"Workers:     ./linformer worker --coordinator {address} --ca {ca} {Of("worker")}");
        output.WriteLine($"People:      ./linformer jobs --coordinator {address} --ca {ca} --token-file FILE");
        output.WriteLine($"Whoever has {folder.Key("ca")} can make certificates that your cluster trusts: keep it apart.");
    }
}

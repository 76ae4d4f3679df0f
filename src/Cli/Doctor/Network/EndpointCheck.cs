using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Linformer.Cli.Cluster;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Doctor.Network;

/// <summary>The way to one address of a coordinator: its name, its port, its certificate.</summary>
/// <param name="address">The address.</param>
/// <param name="alone">Whether it is the only one; of several, those that stand by listen nowhere.</param>
/// <param name="sendsToken">Whether calls carry a secret.</param>
/// <param name="tls">Whom to trust.</param>
internal sealed class EndpointCheck(CoordinatorAddress address, bool alone, bool sendsToken, ClientTls tls) : IDoctorCheck
{
    private const int FewDays = 14;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public string Subject => $"Coordinator {address}";

    /// <inheritdoc/>
    public string Name => "connection";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        IPAddress[] found;
        try
        {
            found = await Dns.GetHostAddressesAsync(address.Host, cancellation);
        }
        catch (SocketException error)
        {
            findings.Problem("DNS", $"{address.Host} is not known: {error.Message}", "Check the name, and the name server of this machine (/etc/resolv.conf); in Kubernetes, the service and its namespace.");
            return;
        }

        findings.Ok("DNS", $"{address.Host} is {string.Join(", ", found.Select(one => $"{one}"))}");
        using var client = await ConnectAsync(findings, found, cancellation);
        if (client is null)
            return;
        if (address.IsSecure)
            await CheckTlsAsync(findings, client, cancellation);
        else if (sendsToken && !Array.TrueForAll(found, IPAddress.IsLoopback))
            findings.Warn("TLS", "the token goes there unencrypted", "Whoever sees the network can use it: serve with TLS (--tls-certificate) and write https://.");
    }

    private async Task<TcpClient?> ConnectAsync(Findings findings, IPAddress[] found, CancellationToken cancellation)
    {
        var client = new TcpClient();
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        time.CancelAfter(Patience);
        try
        {
            await client.ConnectAsync(found, address.Port, time.Token);
            findings.Ok("port", $"{address.Port} is open");
            return client;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            client.Dispose();
            var (why, advice) = error is SocketException { SocketErrorCode: SocketError.ConnectionRefused }
                ? ("nothing listens there", "Is the coordinator running, and does it listen on that address (--listen)? One that stands by listens nowhere.")
                : (error is SocketException socket ? socket.Message : $"no answer within {Patience.TotalSeconds:0} s", "A firewall or network policy, or a wrong address: let this machine reach that port.");
            findings.Judge(false, "port", $"{address.Port}: {why}", alone ? Verdict.Problem : Verdict.Warning, advice);
            return null;
        }
    }

    private async Task CheckTlsAsync(Findings findings, TcpClient client, CancellationToken cancellation)
    {
        X509Certificate2? certificate = null;
        TlsFailure? refused = null;
        var options = tls.ToExplainingSslOptions(why => refused = why);
        var judge = options.RemoteCertificateValidationCallback!;
        options.TargetHost = address.Host;
        options.ApplicationProtocols = [SslApplicationProtocol.Http2];
        options.RemoteCertificateValidationCallback = (sender, shown, chain, errors) =>
        {
            certificate = shown is X509Certificate2 whole ? X509CertificateLoader.LoadCertificate(whole.RawData) : null;
            return judge(sender, shown, chain, errors);
        };
        await using var stream = new SslStream(client.GetStream());
        try
        {
            await stream.AuthenticateAsClientAsync(options, cancellation);
        }
        catch (AuthenticationException) when (refused is not null)
        {
            // Told below, with what the certificate says.
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            var failure = TlsFailures.Explain(error) ?? new TlsFailure("it hung up during the handshake", "Is that the port of a coordinator that serves by TLS?");
            findings.Problem("TLS", failure.Why, failure.Advice);
            return;
        }

        findings.Judge(refused is null, "certificate", refused?.Why ?? $"trusted, by {stream.SslProtocol switch { SslProtocols.Tls13 => "TLS 1.3", SslProtocols.Tls12 => "TLS 1.2", var other => $"{other}" }}", Verdict.Problem, refused?.Advice ?? "");
        if (certificate is null)
            return;
        var days = (certificate.NotAfter - DateTime.Now).TotalDays;
        var end = $"{certificate.NotAfter:yyyy-MM-dd}";
        if (days < 0)
            findings.Problem("certificate's end", $"ended on {end}", "Renew it (./linformer certificates --to DIR --renew); the coordinator reads the new files by itself.");
        else
            findings.Judge(days >= FewDays, "certificate's end", $"on {end}, in {days:0} days", Verdict.Warning, "Renew it soon (./linformer certificates --to DIR --renew); the coordinator reads the new files by itself.");
        certificate.Dispose();
    }
}

using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Protocol.Security;

/// <summary>How a client of the coordinator does TLS: whom it trusts, and what it shows of itself.</summary>
/// <param name="Authorities">Whose certificates are trusted; null for those that the system trusts.</param>
/// <param name="Certificate">What the client shows when the server asks for a certificate; null for nothing.</param>
public sealed record ClientTls(TrustFile? Authorities = null, CertificateFile? Certificate = null)
{
    private const string Renew = "renew it at the coordinator (./linformer certificates --to DIR --renew), which reads the new files by itself.";

    /// <summary>Options of a connection; they follow renewed files.</summary>
    /// <param name="refused">Is told why a server's certificate was refused.</param>
    public SslClientAuthenticationOptions ToSslOptions(Action<string>? refused = null) => ToExplainingSslOptions(failure => refused?.Invoke(failure.Why));

    /// <summary>Options of a connection; they follow renewed files.</summary>
    /// <param name="refused">Is told why a server's certificate was refused, and what to do.</param>
    public SslClientAuthenticationOptions ToExplainingSslOptions(Action<TlsFailure> refused)
    {
        var options = new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13 };
        if (Certificate is { } own)
            options.LocalCertificateSelectionCallback = (_, _, _, _, _) => own.Certificate;
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            var why = WhyRefused(certificate, chain, errors);
            if (why is not null)
                refused(why);
            return why is null;
        };
        return options;
    }

    private TlsFailure? WhyRefused(X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (shown is not X509Certificate2 certificate)
            return new TlsFailure("the server shows no certificate", "Is that the port of a coordinator?");
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return new TlsFailure(
                $"the server's certificate is for {string.Join(", ", Names(certificate))}, not for the name that was connected to",
                "Connect to a name that it is for, or have one made for this name, too: ./linformer certificates --to DIR --renew --host NAME…");
        }

        if (Authorities is not { } trusted)
            return errors == SslPolicyErrors.None ? null : Untrusted(certificate, chain?.ChainStatus ?? []);
        var wrong = trusted.Judge(certificate, chain?.ChainPolicy.ExtraStore, TrustFile.ServerPurpose);
        return wrong is null ? null : Untrusted(certificate, wrong);
    }

    // An authority that is given helps only where the authority is what is wrong.
    private static TlsFailure Untrusted(X509Certificate2 certificate, IReadOnlyList<X509ChainStatus> wrong)
    {
        const X509ChainStatusFlags time = X509ChainStatusFlags.NotTimeValid;
        const X509ChainStatusFlags ofPurpose = X509ChainStatusFlags.NotValidForUsage | X509ChainStatusFlags.InvalidPolicyConstraints;
        var all = wrong.Aggregate(X509ChainStatusFlags.NoError, (flags, status) => flags | status.Status);
        if ((all & ~(time | ofPurpose)) == X509ChainStatusFlags.NoError)
        {
            if (CertificateText.WhyNotAt(certificate, DateTimeOffset.UtcNow) is { } ended)
                return new TlsFailure($"the server's certificate does not hold: {ended}", $"If this machine's clock is right, {Renew}");
            if (CertificateText.WhyNotFor(certificate, TrustFile.ServerPurpose) is { } purpose)
                return new TlsFailure($"the server's certificate is none of a server: {purpose}", "Give the coordinator one that is, such as server.pem of ./linformer certificates.");
            if (all == time)
            {
                return new TlsFailure(
                    "the authority that signed the server's certificate does not hold now",
                    "If this machine's clock is right, make a new authority and certificate in another folder (./linformer certificates --to DIR --host NAME…), and give everybody its ca.pem.");
            }
        }

        return new TlsFailure($"the server's certificate is not trusted: {CertificateText.Words(wrong)}", "Give the authority that signed it with --ca FILE (or LINFORMER_CA).");
    }

    private static IEnumerable<string> Names(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        return alternatives.Count == 0
            ? [certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)]
            : alternatives.SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(address => $"{address}")));
    }
}

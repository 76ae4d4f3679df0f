using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Protocol.Security;

/// <summary>How a client of the coordinator does TLS: whom it trusts, and what it shows of itself.</summary>
/// <param name="Authorities">Whose certificates are trusted; null for those that the system trusts.</param>
/// <param name="Certificate">What the client shows when the server asks for a certificate; null for nothing.</param>
public sealed record ClientTls(TrustFile? Authorities = null, CertificateFile? Certificate = null)
{
    /// <summary>Options of a connection; they follow renewed files.</summary>
    /// <param name="refused">Is told why a server's certificate was refused.</param>
    public SslClientAuthenticationOptions ToSslOptions(Action<string>? refused = null)
    {
        var options = new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13 };
        if (Certificate is { } own)
            options.LocalCertificateSelectionCallback = (_, _, _, _, _) => own.Certificate;
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            var why = WhyRefused(certificate, chain, errors);
            if (why is not null)
                refused?.Invoke(why);
            return why is null;
        };
        return options;
    }

    private string? WhyRefused(X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (shown is not X509Certificate2 certificate)
            return "the server shows no certificate";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            return $"the server's certificate is for {string.Join(", ", Names(certificate))}, not for the name that was connected to";
        if (Authorities is { } trusted)
        {
            return trusted.WhyUntrusted(certificate, chain?.ChainPolicy.ExtraStore, TrustFile.ServerPurpose) is { } why ? $"the server's certificate is not trusted: {why}" : null;
        }
        return errors == SslPolicyErrors.None
            ? null
            : $"the server's certificate is not trusted: {string.Join("; ", chain?.ChainStatus.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct() ?? [])}";
    }

    private static IEnumerable<string> Names(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        return alternatives.Count == 0
            ? [certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)]
            : alternatives.SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(address => $"{address}")));
    }
}

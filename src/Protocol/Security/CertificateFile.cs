using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Protocol.Security;

/// <summary>A certificate with its key, from PEM files that are read again when they have changed. For any number of threads.</summary>
public sealed class CertificateFile
{
    private const int FewDays = 14;

    private readonly ReloadedFiles<SslStreamCertificateContext> _file;

    /// <summary>Reads the files.</summary>
    /// <param name="certificatePath">The certificate in PEM, followed by those of the authorities in between, if any.</param>
    /// <param name="keyPath">Its private key in PEM, not encrypted.</param>
    /// <param name="report">Is told when they were read again, or could not be.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="warn">Is told when they could not be read again, in place of <paramref name="report"/>; and, whenever they are read, that nobody will accept the certificate, now or soon.</param>
    /// <param name="purpose"><see cref="TrustFile.ServerPurpose"/> or <see cref="TrustFile.ClientPurpose"/>: what it will be shown for; null for not to check that.</param>
    /// <exception cref="CertificateException">They cannot be read, or do not belong together.</exception>
    public CertificateFile(
        string certificatePath, string keyPath, Action<string>? report = null, TimeProvider? time = null, Action<string>? warn = null, string? purpose = null)
    {
        _file = new ReloadedFiles<SslStreamCertificateContext>([certificatePath, keyPath], LoadAndCheck, report, time, warn);

        SslStreamCertificateContext LoadAndCheck()
        {
            var context = Load(certificatePath, keyPath);
            if (warn is not null && Doubts(context.TargetCertificate, purpose, (time ?? TimeProvider.System).GetUtcNow()) is { } doubts)
                warn($"The certificate {certificatePath} {doubts}");
            return context;
        }
    }

    /// <summary>The certificate with the rest of its chain, as TLS shows it.</summary>
    public SslStreamCertificateContext Context => _file.Current;

    /// <summary>The certificate, with its key.</summary>
    public X509Certificate2 Certificate => Context.TargetCertificate;

    // It is used all the same: clocks may be wrong, and without it nothing would work either.
    private static string? Doubts(X509Certificate2 certificate, string? purpose, DateTimeOffset now)
    {
        if ((CertificateText.WhyNotAt(certificate, now) ?? (purpose is null ? null : CertificateText.WhyNotFor(certificate, purpose))) is { } why)
            return $"is accepted by nobody: {why}";
        var days = (certificate.NotAfter.ToUniversalTime() - now.UtcDateTime).TotalDays;
        return days < FewDays ? $"ends on {CertificateText.Day(certificate.NotAfter)}, in {days:0.0} days: renew it" : null;
    }

    private static SslStreamCertificateContext Load(string certificatePath, string keyPath)
    {
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(certificatePath, keyPath);
            // Exported once, since TLS on some systems takes no key that lives in memory only.
            var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(certificatePath);
            return SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or PlatformNotSupportedException)
        {
            throw new CertificateException($"The certificate {certificatePath} with the key {keyPath} cannot be used: {CertificateText.Message(exception)}", exception);
        }
    }
}

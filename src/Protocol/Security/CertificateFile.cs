using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Protocol.Security;

/// <summary>A certificate with its key, from PEM files that are read again when they have changed. For any number of threads.</summary>
public sealed class CertificateFile
{
    private readonly ReloadedFiles<SslStreamCertificateContext> _file;

    /// <summary>Reads the files.</summary>
    /// <param name="certificatePath">The certificate in PEM, followed by those of the authorities in between, if any.</param>
    /// <param name="keyPath">Its private key in PEM, not encrypted.</param>
    /// <param name="report">Is told when they were read again, or could not be.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="CertificateException">They cannot be read, or do not belong together.</exception>
    public CertificateFile(string certificatePath, string keyPath, Action<string>? report = null, TimeProvider? time = null) =>
        _file = new ReloadedFiles<SslStreamCertificateContext>([certificatePath, keyPath], () => Load(certificatePath, keyPath), report, time);

    /// <summary>The certificate with the rest of its chain, as TLS shows it.</summary>
    public SslStreamCertificateContext Context => _file.Current;

    /// <summary>The certificate, with its key.</summary>
    public X509Certificate2 Certificate => Context.TargetCertificate;

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
            throw new CertificateException($"The certificate {certificatePath} with the key {keyPath} cannot be used: {exception.Message}", exception);
        }
    }
}

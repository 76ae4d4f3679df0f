using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Coordinator.Tests.Access;

/// <summary>An authority of one test, which issues certificates as PEM files.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    public TestAuthority(string name = "Test authority")
    {
        var request = new CertificateRequest("CN=" + name, _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(30));
    }

    /// <summary>Writes the authority's certificate.</summary>
    public string WriteTo(string path)
    {
        File.WriteAllText(path, _certificate.ExportCertificatePem());
        return path;
    }

    /// <summary>Issues a certificate for 127.0.0.1 and localhost.</summary>
    public (string Certificate, string Key) Server(string path, string name = "coordinator") => Issue(path, name, "1.3.6.1.5.5.7.3.1");

    /// <summary>Issues a client's certificate.</summary>
    public (string Certificate, string Key) Client(string path, string name, TimeSpan? lifetime = null) => Issue(path, name, "1.3.6.1.5.5.7.3.2", lifetime);

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private (string Certificate, string Key) Issue(string path, string name, string purpose, TimeSpan? lifetime = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], critical: false));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.Create(_certificate, now.AddDays(-2), now + (lifetime ?? TimeSpan.FromDays(1)), RandomNumberGenerator.GetBytes(12));
        // Replaced whole, as whoever renews a certificate does.
        Replace(path + ".key", key.ExportPkcs8PrivateKeyPem());
        Replace(path + ".crt", certificate.ExportCertificatePem());
        return (path + ".crt", path + ".key");
    }

    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
    }
}

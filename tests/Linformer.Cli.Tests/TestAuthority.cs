using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Cli.Tests;

/// <summary>An authority that signs what a test needs, bad things too.</summary>
public sealed class TestAuthority : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    public TestAuthority(string name = "Test authority")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(300));
    }

    public string Pem => _certificate.ExportCertificatePem();

    /// <summary>A certificate of a server; one that ended so many days ago where <paramref name="days"/> is negative.</summary>
    public X509Certificate2 Server(string host = "localhost", int days = 90, bool loopback = true)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        if (loopback)
            names.AddIpAddress(IPAddress.Loopback);
        return Sign("a server", ServerAuthentication, names, days);
    }

    public X509Certificate2 Client(string name) => Sign(name, ClientAuthentication, null, 90);

    public string WritePem(string folder)
    {
        var path = Path.Combine(folder, $"{Guid.NewGuid():N}-ca.pem");
        File.WriteAllText(path, Pem);
        return path;
    }

    public static (string Certificate, string Key) Write(string folder, X509Certificate2 certificate)
    {
        var path = Path.Combine(folder, $"{Guid.NewGuid():N}");
        File.WriteAllText($"{path}.pem", certificate.ExportCertificatePem());
        using var key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText($"{path}.key", key.ExportPkcs8PrivateKeyPem());
        return ($"{path}.pem", $"{path}.key");
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private X509Certificate2 Sign(string name, string purpose, SubjectAlternativeNameBuilder? names, int days)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        if (names is not null)
            request.CertificateExtensions.Add(names.Build());
        using var signed = request.Create(_certificate, DateTimeOffset.UtcNow.AddDays(-20), DateTimeOffset.UtcNow.AddDays(days), RandomNumberGenerator.GetBytes(8));
        using var whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }
}

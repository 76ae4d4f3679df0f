using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Linformer.Fuzzing;
using Linformer.Protocol.Security;
using Xunit.Abstractions;

namespace Linformer.Protocol.Tests.Fuzz;

/// <summary>PEM files, damaged.</summary>
public sealed class CertificateFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-pem-");

    [Fact]
    public void Certificates_and_authorities_are_read_or_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=fuzz", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var pem = Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
        var keyPem = Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n");
        string[] words = ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "MIIB", "====", "\n"];
        var (certificatePath, keyPath) = (Path.Combine(_folder.FullName, "c.pem"), Path.Combine(_folder.FullName, "k.pem"));
        File.WriteAllBytes(keyPath, keyPem);
        Fuzzer("certificate", [pem, [.. pem, .. pem]], words).Run(
            input =>
            {
                File.WriteAllBytes(certificatePath, input);
                _ = new CertificateFile(certificatePath, keyPath).Certificate.Subject;
            },
            output);
        Fuzzer("authorities", [pem, [.. pem, .. pem]], words).Run(
            input =>
            {
                File.WriteAllBytes(certificatePath, input);
                _ = new TrustFile(certificatePath).Authorities.Count;
            },
            output);
        File.WriteAllBytes(certificatePath, pem);
        Fuzzer("key", [keyPem], words).Run(
            input =>
            {
                File.WriteAllBytes(keyPath, input);
                _ = new CertificateFile(certificatePath, keyPath).Certificate.Subject;
            },
            output);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static Fuzzer Fuzzer(string name, IReadOnlyList<byte[]> corpus, string[] words) => new()
    {
        Name = name,
        Corpus = corpus,
        Dictionary = words,
        Cases = 150,
        AllocationBase = 8 << 20,
        MayThrow = e => e is CertificateException,
    };
}

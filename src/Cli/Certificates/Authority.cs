using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Certificates;

/// <summary>An authority that signs the certificates of one cluster: ECDSA with P-256 and SHA-256.</summary>
internal sealed class Authority : IDisposable
{
    /// <summary>For how many days an authority is made.</summary>
    public const int Days = 3650;

    private const int SerialBytes = 16;
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    private readonly X509Certificate2 _certificate;
    private readonly ECDsa _key;

    private Authority(X509Certificate2 certificate, ECDsa key) => (_certificate, _key) = (certificate, key);

    /// <summary>When it ends, in UTC.</summary>
    public DateTimeOffset NotAfter => new(_certificate.NotAfter);

    private DateTimeOffset NotBefore => new(_certificate.NotBefore);

    /// <summary>Makes a new one.</summary>
    /// <param name="now">The time.</param>
    public static Authority Create(DateTimeOffset now)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Told apart by name from one that was made before.
        var request = new CertificateRequest($"CN=linformer authority {now:yyyy-MM-dd} {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new Authority(request.CreateSelfSigned(now - ClockTolerance, now.AddDays(Days)), key);
    }

    /// <summary>Reads one.</summary>
    /// <param name="certificatePath">Its certificate.</param>
    /// <param name="keyPath">Its key.</param>
    /// <exception cref="CommandException">The files are none.</exception>
    public static Authority Load(string certificatePath, string keyPath)
    {
        try
        {
            var certificate = X509Certificate2.CreateFromPemFile(certificatePath, keyPath);
            return certificate.GetECDsaPrivateKey() is { } key
                ? new Authority(certificate, key)
                : throw new CommandException($"{keyPath} is no ECDSA key, so this program has not made it; renew with the program that has.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new CommandException($"The authority {certificatePath} with the key {keyPath} cannot be used: {CertificateException.Reason(error)}");
        }
    }

    /// <summary>The authority's own certificate and key.</summary>
    public PemPair ToPem() => new(_certificate.ExportCertificatePem(), _key.ExportPkcs8PrivateKeyPem());

    /// <summary>Signs a certificate of a coordinator.</summary>
    /// <param name="hosts">DNS names and IP addresses under which it is reached.</param>
    /// <param name="days">For how long.</param>
    /// <param name="now">The time.</param>
    public PemPair SignServer(IReadOnlyList<string> hosts, int days, DateTimeOffset now)
    {
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts)
        {
            if (IPAddress.TryParse(host, out var address))
                names.AddIpAddress(address);
            else
                names.AddDnsName(host);
        }

        return Sign("linformer-coordinator", TrustFile.ServerPurpose, names.Build(), days, now);
    }

    /// <summary>Signs a client certificate with which workers join under any name.</summary>
    /// <param name="days">For how long.</param>
    /// <param name="now">The time.</param>
    public PemPair SignWorker(int days, DateTimeOffset now) => Sign("linformer-worker", TrustFile.ClientPurpose, null, days, now);

    /// <inheritdoc/>
    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private PemPair Sign(string name, string purpose, X509Extension? names, int days, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        if (names is not null)
            request.CertificateExtensions.Add(names);
        var begin = now - ClockTolerance < NotBefore ? NotBefore : now - ClockTolerance;
        var end = now.AddDays(days) < NotAfter ? now.AddDays(days) : NotAfter;
        using var signed = request.Create(_certificate, begin, end, SerialNumber());
        return new PemPair(signed.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    // A positive number.
    private static byte[] SerialNumber()
    {
        var serial = RandomNumberGenerator.GetBytes(SerialBytes);
        serial[0] = (byte)((serial[0] & 0x7f) | 0x40);
        return serial;
    }
}

/// <summary>A certificate and its key as PEM.</summary>
/// <param name="Certificate">Public.</param>
/// <param name="Key">Secret.</param>
internal sealed record PemPair(string Certificate, string Key);

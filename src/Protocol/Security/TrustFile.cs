using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Protocol.Security;

/// <summary>The authorities whose certificates are trusted, from a PEM file that is read again when it has changed. For any number of threads.</summary>
public sealed class TrustFile
{
    /// <summary>The purpose of a server's certificate.</summary>
    public const string ServerPurpose = "1.3.6.1.5.5.7.3.1";

    /// <summary>The purpose of a client's certificate.</summary>
    public const string ClientPurpose = "1.3.6.1.5.5.7.3.2";

    private readonly ReloadedFiles<X509Certificate2Collection> _file;

    /// <summary>Reads the file.</summary>
    /// <param name="path">Certificates of authorities in PEM, one or more.</param>
    /// <param name="report">Is told when it was read again, or could not be.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="warn">Is told when it could not be read again, in place of <paramref name="report"/>; null for the latter.</param>
    /// <exception cref="CertificateException">It cannot be read, or holds no certificate.</exception>
    public TrustFile(string path, Action<string>? report = null, TimeProvider? time = null, Action<string>? warn = null) =>
        _file = new ReloadedFiles<X509Certificate2Collection>([path], () => Load(path), report, time, warn);

    /// <summary>The authorities.</summary>
    public X509Certificate2Collection Authorities => _file.Current;

    /// <summary>Why a certificate is not one of these authorities for a purpose, now; null if it is.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="intermediates">What else the peer has shown.</param>
    /// <param name="purpose"><see cref="ServerPurpose"/> or <see cref="ClientPurpose"/>.</param>
    public string? WhyUntrusted(X509Certificate2 certificate, X509Certificate2Collection? intermediates, string purpose)
    {
        const X509ChainStatusFlags ofPurpose = X509ChainStatusFlags.NotValidForUsage | X509ChainStatusFlags.InvalidPolicyConstraints;
        if (Judge(certificate, intermediates, purpose) is not { } wrong)
            return null;
        // The system's words for that are of policies.
        if (CertificateText.WhyNotFor(certificate, purpose) is not { } notFor)
            return CertificateText.Words(wrong);
        var rest = wrong.Where(status => (status.Status & ~ofPurpose) != X509ChainStatusFlags.NoError).ToList();
        return rest.Count == 0 ? notFor : $"{notFor}; {CertificateText.Words(rest)}";
    }

    /// <summary>What is wrong with a certificate; null for nothing.</summary>
    internal X509ChainStatus[]? Judge(X509Certificate2 certificate, X509Certificate2Collection? intermediates, string purpose)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Authorities);
        chain.ChainPolicy.ExtraStore.AddRange(intermediates ?? []);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(purpose));
        return chain.Build(certificate) ? null : chain.ChainStatus;
    }

    private static X509Certificate2Collection Load(string path)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new CertificateException($"The authorities in {path} cannot be read: {exception.Message}", exception);
        }
        return authorities.Count > 0 ? authorities : throw new CertificateException($"{path} holds no certificate in PEM.");
    }
}

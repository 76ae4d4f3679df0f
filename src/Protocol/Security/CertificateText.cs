using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;

namespace Linformer.Protocol.Security;

/// <summary>What can be said of a certificate by itself, in plain words.</summary>
internal static partial class CertificateText
{
    private const string AnyPurpose = "2.5.29.37.0";

    /// <summary>A moment as part of a sentence: the day, in UTC.</summary>
    public static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Why a certificate does not hold at a time; null if it does.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="now">The time.</param>
    public static string? WhyNotAt(X509Certificate2 certificate, DateTimeOffset now) =>
        certificate.NotAfter.ToUniversalTime() < now.UtcDateTime ? $"it has expired on {Day(certificate.NotAfter)}"
        : certificate.NotBefore.ToUniversalTime() > now.UtcDateTime ? $"it holds from {Day(certificate.NotBefore)} on only"
        : null;

    /// <summary>Why a certificate is not for a purpose; null if it is, or does not say what it is for.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="purpose"><see cref="TrustFile.ServerPurpose"/> or <see cref="TrustFile.ClientPurpose"/>.</param>
    public static string? WhyNotFor(X509Certificate2 certificate, string purpose) =>
        certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().FirstOrDefault() is { } usage
        && !usage.EnhancedKeyUsages.Cast<System.Security.Cryptography.Oid>().Any(one => one.Value == purpose || one.Value == AnyPurpose)
            ? $"it is not for {(purpose == TrustFile.ServerPurpose ? "server" : "client")} authentication"
            : null;

    /// <summary>What is wrong with a chain: each thing once.</summary>
    /// <param name="statuses">What is wrong.</param>
    public static string Words(IEnumerable<X509ChainStatus> statuses) =>
        string.Join("; ", statuses.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct());

    /// <summary>An exception's message without the name of a parameter, which says nothing to people.</summary>
    /// <param name="exception">The exception.</param>
    public static string Message(Exception exception) => Parameter().Replace(exception.Message, "");

    [GeneratedRegex(@" ?\(Parameter '\w+'\)", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();
}

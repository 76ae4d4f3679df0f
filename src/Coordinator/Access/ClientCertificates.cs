using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol.Security;
using Linformer.Protocol.V1;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Access;

/// <summary>Recognises workers by their certificates.</summary>
internal sealed class ClientCertificates(TrustFile authorities, TimeProvider time)
{
    private const string AnyWorker = "linformer-worker";
    private const string CommonName = "2.5.4.3";
    private const int ShownThumbprint = 16;

    /// <summary>The worker whose certificate the connection has shown.</summary>
    /// <returns>The worker, or why the certificate is not taken; neither if there is none.</returns>
    public (Principal? Worker, string? Why) Recognise(HttpContext http)
    {
        if (http.Connection.ClientCertificate is not { } certificate)
            return (null, null);
        var chain = Listeners.ClientChain(http);
        var trusted = authorities.Authorities;
        var why = NameIn(certificate) is not { } name
            ? "it has no common name"
            : authorities.WhyUntrusted(certificate, chain, TrustFile.ClientPurpose);
        if (why is not null)
        {
            // The certificate belongs to the connection, so a renewed one can come only with another.
            http.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
            return (null, $"The certificate '{Refusal.Plain(certificate.Subject)}' is not taken: {why}.");
        }
        name = NameIn(certificate)!;
        return (new Principal(PrincipalKind.Worker, name, Role.Unspecified, "certificate:" + certificate.Thumbprint[..ShownThumbprint].ToLowerInvariant())
        {
            WorkerName = name == AnyWorker ? null : name,
            ExpiresAt = new DateTimeOffset(certificate.NotAfter),
            Ended = () => WhyEnded(certificate, chain, trusted),
        }, null);
    }

    // Not final: the worker comes again, with the certificate that it has by then.
    private RpcException? WhyEnded(X509Certificate2 certificate, X509Certificate2Collection? chain, X509Certificate2Collection trusted)
    {
        if (time.GetUtcNow() < new DateTimeOffset(certificate.NotAfter) && authorities.Authorities == trusted)
            return null;
        return authorities.WhyUntrusted(certificate, chain, TrustFile.ClientPurpose) is { } why
            ? Refusal.Unavailable($"The worker's certificate is not taken any more: {why}. Connect again with a renewed one.")
            : null;
    }

    private static string? NameIn(X509Certificate2 certificate)
    {
        var names = certificate.SubjectName.EnumerateRelativeDistinguishedNames()
            .Where(part => !part.HasMultipleElements && part.GetSingleElementType().Value == CommonName).Take(2).ToList();
        return names.Count == 1 && names[0].GetSingleElementValue() is { Length: > 0 } name ? name : null;
    }
}

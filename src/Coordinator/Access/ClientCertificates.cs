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
        var name = NameIn(certificate);
        var why = name is null ? "it has no common name" : authorities.WhyUntrusted(certificate, chain, TrustFile.ClientPurpose);
        if (name is null || why is not null)
        {
            // The certificate belongs to the connection, so a renewed one can come only with another.
            http.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
            return (null, $"The certificate '{Refusal.Plain(certificate.Subject)}' is not taken: {why}.");
        }
        return (new Principal(PrincipalKind.Worker, name, Role.Unspecified, "certificate:" + certificate.Thumbprint[..ShownThumbprint].ToLowerInvariant())
        {
            WorkerName = name == AnyWorker ? null : name,
            ExpiresAt = new DateTimeOffset(certificate.NotAfter),
            Ended = () => WhyEnded(certificate, chain, ref trusted),
        }, null);
    }

    // Looked at again only when it may have changed, since a chain costs time. Not final: the worker comes again, with the
    // certificate that it has by then.
    private RpcException? WhyEnded(X509Certificate2 certificate, X509Certificate2Collection? chain, ref X509Certificate2Collection trusted)
    {
        var now = authorities.Authorities;
        if (time.GetUtcNow() < new DateTimeOffset(certificate.NotAfter) && now == trusted)
            return null;
        trusted = now;
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

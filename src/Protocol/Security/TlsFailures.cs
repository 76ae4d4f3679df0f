using System.Net.Security;
using System.Security.Authentication;

namespace Linformer.Protocol.Security;

/// <summary>TLS as the reason that a client got no connection.</summary>
/// <param name="Why">What is wrong, as part of a sentence.</param>
/// <param name="Advice">What to do about it: a sentence.</param>
public sealed record TlsFailure(string Why, string Advice);

/// <summary>Tells failures of TLS from others, and says in plain words what they are.</summary>
public static class TlsFailures
{
    /// <summary>Options of a connection whose failure says why a certificate was refused.</summary>
    /// <param name="tls">Whom to trust, and what to show.</param>
    public static SslClientAuthenticationOptions Telling(ClientTls tls) => tls.ToExplainingSslOptions(failure => throw new RefusedCertificateException(failure));

    /// <summary>Explains why there is no connection; null if that has other reasons than TLS.</summary>
    /// <param name="error">What the call ended with.</param>
    public static TlsFailure? Explain(Exception? error)
    {
        HttpRequestException? request = null;
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case RefusedCertificateException refused:
                    return refused.Failure;
                case AuthenticationException { InnerException: { } handshake }:
                    return new TlsFailure($"the TLS handshake failed: {handshake.Message.TrimEnd('.')}", "Its log says more.");
                case AuthenticationException:
                    return new TlsFailure("it does not speak TLS", "Write http:// and leave --ca out if it is meant to serve without TLS; else start it with --tls-certificate.");
                case HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } first:
                    request ??= first;
                    break;
                case HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded } when request is not null:
                    return new TlsFailure(
                        "it hung up before it said a word",
                        "If it serves with TLS, write https:// or give --ca FILE; if that is given, it wants a client certificate that it trusts.");
            }
        }

        return null;
    }

    private sealed class RefusedCertificateException(TlsFailure failure) : AuthenticationException(failure.Why)
    {
        public TlsFailure Failure => failure;
    }
}

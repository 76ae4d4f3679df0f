namespace Linformer.Protocol.Security;

/// <summary>A certificate, key or list of authorities cannot be used; the message names the file and says what is wrong.</summary>
public sealed class CertificateException : Exception
{
    /// <summary>Creates it.</summary>
    public CertificateException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>Why a certificate or key could not be read, without the name of a parameter, which says nothing to people.</summary>
    /// <param name="exception">What reading it threw.</param>
    public static string Reason(Exception exception) => CertificateText.Message(exception);
}

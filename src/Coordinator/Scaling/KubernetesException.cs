using System.Net;

namespace Linformer.Coordinator.Scaling;

/// <summary>Kubernetes' API server did not do what it was asked; the message says what and why.</summary>
public sealed class KubernetesException : Exception
{
    /// <summary>Creates it.</summary>
    public KubernetesException(string message, HttpStatusCode? status = null, TimeSpan? retryAfter = null, Exception? inner = null)
        : base(message, inner) => (Status, RetryAfter) = (status, retryAfter);

    /// <summary>How it answered; null when it did not, or not so that it can be understood.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>When it wants to be asked again, if it said so.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>Whether somebody else has changed the object meanwhile.</summary>
    public bool IsConflict => Status == HttpStatusCode.Conflict;

    /// <summary>Whether the watched version is too old to be told what came after it.</summary>
    public bool IsGone => Status == HttpStatusCode.Gone;
}

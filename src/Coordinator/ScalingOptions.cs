namespace Linformer.Coordinator;

/// <summary>A Kubernetes StatefulSet of workers whose size follows the jobs that wait and run.</summary>
public sealed record ScalingOptions
{
    /// <summary>The StatefulSet's name.</summary>
    public required string StatefulSet { get; init; }

    /// <summary>Its namespace; null for the one that the coordinator's own pod runs in.</summary>
    public string? Namespace { get; init; }

    /// <summary>The fewest workers.</summary>
    public int Minimum { get; init; }

    /// <summary>The most workers.</summary>
    public required int Maximum { get; init; }

    /// <summary>Slots of one worker, for as long as none has told its own.</summary>
    public int SlotsPerWorker { get; init; } = 1;

    /// <summary>A worker that has had nothing to do for so long is given up.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often it is looked whether another number of workers is needed.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where the API server is; null for the address that Kubernetes gives to pods.</summary>
    public Uri? Server { get; init; }

    /// <summary>The folder with <c>token</c>, <c>ca.crt</c> and <c>namespace</c> of the pod's service account.</summary>
    public string AccountFolder { get; init; } = "/var/run/secrets/kubernetes.io/serviceaccount";
}

using System.Threading.RateLimiting;
using Grpc.Core;
using Linformer.Coordinator.Services.Guard;

namespace Linformer.Coordinator.Access;

/// <summary>How many calls a user may make. Neither workers nor who came in without being asked have a limit.</summary>
internal sealed class CallRates : IDisposable
{
    private readonly UserLimits _limits;
    private readonly PartitionedRateLimiter<string>? _users;

    /// <summary>Makes the limits.</summary>
    public CallRates(CoordinatorOptions options)
    {
        _limits = options.Limits;
        if (_limits.CallsPerSecond > 0)
            _users = PartitionedRateLimiter.Create<string, string>(user => RateLimitPartition.GetTokenBucketLimiter(user, _ => Bucket(_limits)), StringComparer.Ordinal);
    }

    /// <summary>Counts a call.</summary>
    /// <returns>Why it is one too many; null if it is not.</returns>
    public RpcException? Count(Principal caller)
    {
        if (_users is null || caller.Kind != PrincipalKind.Person)
            return null;
        using var place = _users.AttemptAcquire(caller.User);
        return place.IsAcquired
            ? null
            : Refusal.Exhausted($"The user '{caller.User}' calls too often: {_limits.CallsPerSecond:#,0} calls per second are allowed on average, {_limits.CallBurst:#,0} more at once. Try again in a second.");
    }

    /// <inheritdoc/>
    public void Dispose() => _users?.Dispose();

    private static TokenBucketRateLimiterOptions Bucket(UserLimits limits) => new()
    {
        TokenLimit = limits.CallsPerSecond + limits.CallBurst,
        TokensPerPeriod = limits.CallsPerSecond,
        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
        QueueLimit = 0,
    };
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Linformer.Coordinator.Tests;

/// <summary>A clock that can be put forward. Its timers are the system's: the silo needs them.</summary>
/// <param name="frozen">Whether what nobody puts forward stands still, but for the wall clock.</param>
internal sealed class SteppedTime(bool frozen = false) : TimeProvider
{
    private readonly long _start = System.GetTimestamp();
    private TimeSpan _ahead;
    private TimeSpan _wallAhead;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead + _wallAhead;

    public override long GetTimestamp() => (frozen ? _start : base.GetTimestamp()) + (long)(_ahead.TotalSeconds * TimestampFrequency);

    /// <summary>Time goes by.</summary>
    public void Step(TimeSpan time) => _ahead += time;

    /// <summary>Somebody puts the machine's clock forward, or back.</summary>
    public void StepWallClock(TimeSpan time) => _wallAhead += time;
}

internal static class SteppedTimeExtensions
{
    public static void AddTime(this IServiceCollection services, TimeProvider time) => services.Replace(ServiceDescriptor.Singleton(time));
}

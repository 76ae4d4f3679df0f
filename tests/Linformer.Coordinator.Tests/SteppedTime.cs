using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Linformer.Coordinator.Tests;

/// <summary>A clock that can be put forward. Its timers are the system's: the silo needs them.</summary>
internal sealed class SteppedTime : TimeProvider
{
    private TimeSpan _ahead;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;

    public void Step(TimeSpan time) => _ahead += time;
}

internal static class SteppedTimeExtensions
{
    public static void AddTime(this IServiceCollection services, TimeProvider time) => services.Replace(ServiceDescriptor.Singleton(time));
}

using System.Globalization;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.Extensions.Hosting;
using Serilog.Events;

namespace Linformer.Coordinator.Tests.Hosting;

public sealed class HostedLoopTests
{
    [Fact]
    public async Task What_fails_because_all_stops_is_no_fault()
    {
        using var loop = new Waiting(new InvalidOperationException("The silo has stopped."));

        await loop.StartAsync(CancellationToken.None);
        await loop.Began.WaitAsync(TimeSpan.FromSeconds(30));
        await loop.StopAsync(CancellationToken.None);

        loop.ExecuteTask!.Status.ShouldBe(TaskStatus.RanToCompletion);
    }

    [Fact]
    public async Task An_end_that_nobody_asked_for_is_a_fault()
    {
        using var loop = new Waiting(new OperationCanceledException("The other side has gone."));

        await loop.StartAsync(CancellationToken.None);
        loop.GoOn();

        await Should.ThrowAsync<OperationCanceledException>(() => loop.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void All_that_runs_beside_the_coordinator_is_such_a_loop()
    {
        var services = typeof(CoordinatorHost).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(BackgroundService)) && !type.IsAbstract).ToList();

        services.Count.ShouldBeGreaterThan(5);
        services.ShouldAllBe(type => type.IsSubclassOf(typeof(HostedLoop)));
    }

    [Fact]
    public async Task A_stop_at_any_moment_of_the_start_is_no_fault()
    {
        var log = new LogCollector();
        for (var delay = 0; delay < 200; delay += 5)
        {
            using var folder = new TemporaryFolder();
            using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(delay));
            var options = new CoordinatorOptions { DataFolder = folder.Path, Listen = ["localhost:0"], HttpListen = ["localhost:0"] };

            await Should.ThrowAsync<OperationCanceledException>(async () =>
            {
                await using var host = await CoordinatorHost.StartAsync(options, log.Logger, stop.Token);
                await host.WaitForShutdownAsync(stop.Token);
            });
        }
        log.Events.Where(entry => entry.Level >= LogEventLevel.Error && !IsOfOrleans(entry)).Select(entry => $"{entry.RenderMessage(CultureInfo.InvariantCulture)} {entry.Exception}").ShouldBeEmpty();
    }

    // The real silo tells as errors of calls that end with it.
    private static bool IsOfOrleans(LogEvent entry) =>
        entry.Properties.GetValueOrDefault("SourceContext")?.ToString().Trim('"').StartsWith("Orleans.", StringComparison.Ordinal) ?? false;

    // Throws when it may go on, or is stopped.
    private sealed class Waiting(Exception fault) : HostedLoop
    {
        private readonly TaskCompletionSource _began = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Began => _began.Task;

        public void GoOn() => _goesOn.SetResult();

        protected override async Task LoopAsync(CancellationToken stoppingToken)
        {
            _began.SetResult();
            await Task.WhenAny(_goesOn.Task, Task.Delay(Timeout.Infinite, stoppingToken));
            throw fault;
        }
    }
}

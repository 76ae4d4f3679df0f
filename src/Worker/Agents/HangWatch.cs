using System.Diagnostics;

namespace Linformer.Worker.Agents;

/// <summary>Calls at regular intervals, and says how much time counts as passed: no more than two intervals at once.</summary>
/// <param name="look">Called with the time.</param>
internal sealed class HangWatch(Action<TimeSpan> look) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _end = new();
    private Task _running = Task.CompletedTask;

    public void Start() => _running = RunAsync();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(Interval);
        var last = Stopwatch.GetTimestamp();
        while (await timer.WaitForNextTickAsync(_end.Token))
        {
            var passed = Stopwatch.GetElapsedTime(last);
            last = Stopwatch.GetTimestamp();
            look(passed < Interval * 2 ? passed : Interval * 2);
        }
    }
}

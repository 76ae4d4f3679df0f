namespace Linformer.Cli.Hosting;

/// <summary>
/// How a coordinator is. It is ready while it serves. It works while it stands by, and while it serves and its scheduler answers:
/// one that hangs, or does not come to an end once it may not serve any more, is dead. A database that is away does not make it dead.
/// </summary>
internal sealed class CoordinatorHealth : IHealth, IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _asking;
    private volatile State _state;

    /// <summary>A coordinator that starts.</summary>
    /// <param name="time">The clock; null for the system's.</param>
    public CoordinatorHealth(TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        _state = new State(Phase.StandsBy, null, _time.GetTimestamp());
        _asking = AskAsync();
    }

    private enum Phase
    {
        StandsBy,
        Serves,
        Ends,
    }

    /// <inheritdoc/>
    public string? WhyDead => _state is { Phase: not Phase.StandsBy } state && _time.GetElapsedTime(state.Since) is var silence && silence > Patience
        ? $"{(state.Phase == Phase.Ends ? "the coordinator may not serve any more and has not ended" : "the scheduler has not answered")} for {silence.TotalSeconds:0} s"
        : null;

    /// <inheritdoc/>
    public string? WhyNotReady => _state.Phase switch
    {
        Phase.Serves => null,
        Phase.Ends => "stops",
        _ => "stands by, or starts: it does not have the database",
    };

    /// <summary>It serves from now on.</summary>
    /// <param name="answer">Asks its scheduler for a sign of life.</param>
    public void Serves(Func<CancellationToken, Task> answer) => _state = new State(Phase.Serves, answer, _time.GetTimestamp());

    /// <summary>It serves no more, and comes to its end.</summary>
    public void Ends() => _state = new State(Phase.Ends, null, _time.GetTimestamp());

    /// <summary>It waits for the database.</summary>
    public void StandsBy() => _state = new State(Phase.StandsBy, null, _time.GetTimestamp());

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ended.Dispose();
    }

    private async Task AskAsync()
    {
        using var timer = new PeriodicTimer(Interval, _time);
        while (await timer.WaitForNextTickAsync(_ended.Token))
        {
            if (_state is not { Phase: Phase.Serves, Answer: { } answer } asked)
                continue;
            try
            {
                await answer(_ended.Token).WaitAsync(Interval, _time, _ended.Token);
            }
            catch (Exception) when (!_ended.IsCancellationRequested)
            {
                continue;
            }

            // Not if it has been told of another state meanwhile.
            Interlocked.CompareExchange(ref _state, asked with { Since = _time.GetTimestamp() }, asked);
        }
    }

    /// <summary>How it was last.</summary>
    /// <param name="Phase">What it does.</param>
    /// <param name="Answer">Asks the one that serves.</param>
    /// <param name="Since">Since when it does that, or when it last answered.</param>
    private sealed record State(Phase Phase, Func<CancellationToken, Task>? Answer, long Since);
}

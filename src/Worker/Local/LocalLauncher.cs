using Serilog;

namespace Linformer.Worker.Local;

/// <summary>
/// Starts a job's ranks as processes of this machine and supervises them: hands them their work, lets them find each other,
/// passes on what they report, and explains the end of one that fails. Ranks end when the launcher does.
/// A launcher runs one job at a time.
/// </summary>
/// <param name="logger">Gets what happens to the ranks, with the properties Rank and Generation.</param>
public sealed class LocalLauncher(ILogger logger)
{
    private readonly Lock _gate = new();
    private LocalGroup? _current;

    /// <summary>Runs a job to its end.</summary>
    /// <param name="run">What to run.</param>
    /// <param name="events">Told what the ranks do.</param>
    /// <param name="cancellationToken">
    /// Asks every rank to finish its step, write a checkpoint and exit; the result is then <see cref="LocalRunOutcome.Stopped"/>,
    /// not an exception. To end the ranks at once, call <see cref="Kill"/>.
    /// </param>
    /// <exception cref="RankFailedException">A rank failed; the others have been ended.</exception>
    /// <exception cref="TimeoutException">The ranks did not stop in <see cref="LocalRun.StopTimeout"/> and were killed.</exception>
    /// <exception cref="ArgumentException">A number or path of <paramref name="run"/> is not valid.</exception>
    /// <exception cref="InvalidOperationException">The launcher is running another job, or <paramref name="events"/> threw an exception, which is the inner one.</exception>
    /// <exception cref="IOException">A log cannot be created.</exception>
    public async Task<LocalRunResult> RunAsync(LocalRun run, IRankEvents events, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(events);
        Check(run);
        using var group = new LocalGroup(run, events, logger);
        lock (_gate)
        {
            if (_current is not null)
            {
                throw new InvalidOperationException("This launcher is running another job; it runs one at a time.");
            }

            _current = group;
        }

        try
        {
            return await group.RunAsync(cancellationToken);
        }
        finally
        {
            lock (_gate)
            {
                _current = null;
            }
        }
    }

    /// <summary>Ends all ranks at once (SIGKILL); the run's result is then <see cref="LocalRunOutcome.Killed"/>. Without a run, nothing happens.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _current?.Kill();
        }
    }

    private static void Check(LocalRun run)
    {
        ArgumentException.ThrowIfNullOrEmpty(run.Command, nameof(run));
        if (run.Processes < 1 || run.Threads < 1)
        {
            throw new ArgumentException($"The rank processes are {run.Processes} and the threads are {run.Threads}; both must be at least 1.", nameof(run));
        }

        if (run.First.WorldSize < 1 || run.First.WorldSize > run.Processes)
        {
            throw new ArgumentException($"The first generation has {run.First.WorldSize} ranks; allowed are 1 to the {run.Processes} processes.", nameof(run));
        }

        // The loader only warns of a library that it cannot preload, in every rank's log.
        if (run.PreloadLibrary is not null && !File.Exists(run.PreloadLibrary))
        {
            throw new ArgumentException($"The library to preload, '{run.PreloadLibrary}', does not exist.", nameof(run));
        }
    }
}

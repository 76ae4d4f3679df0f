using System.Diagnostics;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Local;

/// <summary>
/// Rank processes that wait for a job: started, and what every rank loads and compiles is there. One that is taken gets its orders as any
/// other does. They are no ranks, hold nothing of a job, and end with this process as ranks do.
/// </summary>
internal sealed class WarmRanks : IAsyncDisposable
{
    // Native libraries keep the threads with which they were loaded. Until a job has asked for others, that many.
    private const int UsualThreads = 1;

    // Ranks that are about to start, or have just ended, have other things to do than to wait for these.
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);

    private readonly (string Command, IReadOnlyList<string> Arguments) _program;
    private readonly int _most;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly List<Process> _waiting = [];
    private readonly CancellationTokenSource _end = new();
    private readonly SemaphoreSlim _changed = new(0);
    private readonly Task _keeping;
    private int _threads = UsualThreads;
    private int _wanted;

    /// <summary>Begins with none.</summary>
    /// <param name="program">The program and arguments of a rank process.</param>
    /// <param name="most">At most so many wait; 0 for none.</param>
    /// <param name="logger">The log.</param>
    public WarmRanks((string Command, IReadOnlyList<string> Arguments) program, int most, ILogger logger)
    {
        (_program, _most, _logger) = (program, most, logger);
        _keeping = most > 0 ? Task.Run(KeepAsync) : Task.CompletedTask;
    }

    /// <summary>The processes that wait.</summary>
    public IReadOnlyList<int> Waiting
    {
        get
        {
            lock (_gate)
            {
                return [.. _waiting.Select(process => process.Id)];
            }
        }
    }

    /// <summary>Sets how many slots are free: no more processes wait than could be ranks. Those that are too many end in a moment, unless they are taken.</summary>
    public void Keep(int free)
    {
        lock (_gate)
        {
            _wanted = Math.Clamp(free, 0, _most);
        }

        if (!_end.IsCancellationRequested && _changed.CurrentCount == 0)
        {
            _changed.Release();
        }
    }

    /// <summary>Takes a process that fits; null when there is none, and one has to be started.</summary>
    /// <param name="launch">How that would be.</param>
    public Process? Take(RankLaunch launch)
    {
        if (_most == 0 || launch.PreloadLibrary is not null || launch.Environment.Count > 0)
        {
            return null;
        }

        lock (_gate)
        {
            // Whoever asks for other threads than the last did is likely to be followed by others that do.
            if (launch.Start.Threads != _threads)
            {
                _threads = launch.Start.Threads;
                _waiting.ToList().ForEach(End);
            }

            while (_waiting.Count > 0)
            {
                var process = _waiting[0];
                _waiting.RemoveAt(0);
                if (!process.HasExited)
                {
                    return process;
                }

                process.Dispose();
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _keeping;
        lock (_gate)
        {
            _waiting.ToList().ForEach(End);
        }

        _end.Dispose();
        _changed.Dispose();
    }

    private async Task KeepAsync()
    {
        try
        {
            while (true)
            {
                await _changed.WaitAsync(_end.Token);
                while (await _changed.WaitAsync(Calm, _end.Token))
                {
                    // Not yet calm.
                }

                while (StartOne())
                {
                    // One after the other.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
        catch (Exception e)
        {
            // Ranks that are started when they are needed will say more.
            _logger.Warning("No rank process can be kept waiting: {Reason}", e.Message);
        }
    }

    private bool StartOne()
    {
        int threads;
        lock (_gate)
        {
            foreach (var ended in _waiting.Where(process => process.HasExited).Concat(_waiting.Skip(_wanted)).Distinct().ToList())
            {
                End(ended);
            }

            if (_waiting.Count >= _wanted || _end.IsCancellationRequested)
            {
                return false;
            }

            threads = _threads;
        }

        // Its log comes with its job.
        var launch = new RankLaunch(_program.Command, _program.Arguments, "/dev/null", new StartMessage(0, threads, "", "", "", "", ""))
        {
            Environment = new Dictionary<string, string> { [Ranks.WarmUp.Variable] = "1" },
        };
        var started = ProcessStarter.Start(launch.StartInfo());
        lock (_gate)
        {
            _waiting.Add(started);
            if (threads != _threads)
            {
                End(started);
            }
        }

        return true;
    }

    // Under the lock.
    private void End(Process process)
    {
        _waiting.Remove(process);
        // Nobody listens to what it says; it has nothing to lose.
        process.Kill();
        process.Dispose();
    }
}

using System.Diagnostics;

namespace Linformer.Bench;

/// <summary>The rank processes of one program, which read what to run and write how long it took.</summary>
internal sealed class RankProcesses : IDisposable
{
    private readonly List<Process> _ranks = [];

    public RankProcesses(int ranks, Func<int, string[]> command)
    {
        for (var rank = 0; rank < ranks; rank++)
        {
            var words = command(rank);
            var start = new ProcessStartInfo(words[0], words.Skip(1))
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            };
            start.Environment["OMP_NUM_THREADS"] = "1";
            start.Environment["OPENBLAS_NUM_THREADS"] = "1";
            _ranks.Add(Process.Start(start)!);
        }
    }

    /// <summary>Runs so many all-reduces, of which the program may be told more; gives the seconds of the slowest rank.</summary>
    /// <exception cref="InvalidOperationException">A rank has failed.</exception>
    public double Run(long bytes, int iterations, params ReadOnlySpan<string> more)
    {
        var line = string.Join(' ', [$"{bytes}", $"{iterations}", .. more]);
        foreach (var rank in _ranks)
        {
            rank.StandardInput.WriteLine(line);
        }

        return _ranks.Max(rank => double.TryParse(rank.StandardOutput.ReadLine(), out var seconds)
            ? seconds
            : throw new InvalidOperationException(
                $"rank {_ranks.IndexOf(rank)} of {rank.StartInfo.FileName} has ended; see its output above"));
    }

    public void Dispose()
    {
        foreach (var rank in _ranks)
        {
            // The end of their input ends them.
            rank.StandardInput.Close();
            if (!rank.WaitForExit(TimeSpan.FromSeconds(5)))
            {
                rank.Kill();
            }

            rank.Dispose();
        }
    }
}

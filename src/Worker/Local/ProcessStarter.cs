using System.Collections.Concurrent;
using System.Diagnostics;

namespace Linformer.Worker.Local;

/// <summary>
/// Starts all rank processes from one thread that never ends. A rank asks the system to kill it when its parent dies, and to
/// the system the parent is the thread that started it: one of the pool may end at any time.
/// </summary>
internal static class ProcessStarter
{
    private static readonly BlockingCollection<(ProcessStartInfo Info, TaskCompletionSource<Process> Started)> Requests = Begin();

    /// <summary>Starts a process.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The system refuses.</exception>
    public static Process Start(ProcessStartInfo info)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Requests.Add((info, started));
        // It takes a millisecond, as it would on this thread.
        return started.Task.GetAwaiter().GetResult();
    }

    private static BlockingCollection<(ProcessStartInfo Info, TaskCompletionSource<Process> Started)> Begin()
    {
        var requests = new BlockingCollection<(ProcessStartInfo Info, TaskCompletionSource<Process> Started)>();
        new Thread(() => Run(requests)) { IsBackground = true, Name = "starts ranks" }.Start();
        return requests;
    }

    private static void Run(BlockingCollection<(ProcessStartInfo Info, TaskCompletionSource<Process> Started)> requests)
    {
        foreach (var (info, started) in requests.GetConsumingEnumerable())
        {
            try
            {
                started.SetResult(Process.Start(info)!);
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        }
    }
}

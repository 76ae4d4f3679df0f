using System.Runtime.InteropServices;
using Linformer.Data;
using Linformer.Model;
using Linformer.Model.SafeTensors;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.Plugins;
using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Ranks;

/// <summary>The program of a rank process: takes its orders from the control pipe, trains on one dedicated thread, ends.</summary>
public static class RankProgram
{
    /// <summary>The argument that makes the program a rank process.</summary>
    public const string Argument = "rank";

    private const int Success = 0;
    private const int Failure = 1;

    /// <summary>Exceptions whose message says all there is to say.</summary>
    private static readonly Type[] Expected =
    [
        typeof(ArgumentException), typeof(BadDataException), typeof(BadLossException), typeof(CheckpointException),
        typeof(GpuException), typeof(GpuFailedException), typeof(NcclUnavailableException), typeof(IOException), typeof(JobFileException), typeof(ModelFormatException), typeof(PluginException), typeof(SafeTensorsException),
        typeof(UnauthorizedAccessException),
    ];

    // Those that the job, its corpus or its model cause; files and other ranks may be better next time.
    private static readonly Type[] Permanent =
    [
        typeof(ArgumentException), typeof(BadDataException), typeof(BadLossException), typeof(JobFileException),
        typeof(ModelFormatException), typeof(PluginException), typeof(SafeTensorsException),
    ];

    /// <summary>Runs until the job is done, this process fails, or it is stopped.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync()
    {
        // To a service or a container SIGTERM comes for all processes at once. The launcher answers it by a graceful stop,
        // which needs the ranks.
        using var ignored = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = true);
        using var control = RankControl.Open();
        var exit = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ready = new TaskCompletionSource<Func<int>>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Gradient mode and dispose scopes belong to a thread, so the training has one of its own.
        var thread = new Thread(() => exit.SetResult(Train(ready.Task)), maxStackSize: 16 << 20) { Name = "training", IsBackground = true };
        thread.Start();
        var start = await control.WaitForStartAsync();
        if (start.LogPath is { } path)
        {
            ControlPipe.LogTo(path);
        }

        using var pulse = new Pulse(control);
        var place = new LogPlace();
        await using var log = RankLog.Create(start, place);
        ready.SetResult(() => Train(start, control, pulse, log, place));
        return await exit.Task;
    }

    private static int Train(Task<Func<int>> ready)
    {
        if (WarmUp.IsAsked)
        {
            WarmUp.Run();
        }

        // The thread is the training's own, so it may block.
        return ready.GetAwaiter().GetResult()();
    }

    private static int Train(StartMessage start, RankControl control, Pulse pulse, ILogger log, LogPlace place)
    {
        try
        {
            using var member = new Member(start, control, pulse, log, place);
            member.Run();
            return Success;
        }
        catch (Exception e)
        {
            var expected = Array.Exists(Expected, type => type.IsInstanceOfType(e));
            var permanent = Array.Exists(Permanent, type => type.IsInstanceOfType(e));
            // The author of a plug-in needs the trace of their own code.
            log.Error(expected ? (e as PluginException)?.InnerException : e, "Training failed: {Reason}", e.Message);
            control.ReportFailed(expected ? e.Message : $"unexpected {e.GetType().Name}: {e.Message}", peerLost: false, permanent);
            return Failure;
        }
    }
}

using System.Text;
using System.Text.Json;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using Linformer.Worker.TestRank;
using Serilog.Core;

// launch FOLDER: a launcher with two sleeping ranks, to be killed; prints their process ids.
// agent COORDINATOR TOKEN NAME SLOTS ROOT SHARD-BYTES MODES: an agent whose ranks have these modes; SIGTERM makes it leave.
// rank: a rank that trains.
// MODE,MODE,…: a rank that does what the mode of its number says; see below.
if (args[0] == "launch")
{
    var run = new LocalRun
    {
        Command = Environment.ProcessPath!,
        Arguments = ["busy,sleep"],
        WorldSize = 2,
        JobJson = "{}",
        StorageRoot = args[1],
        CorpusFolder = args[1],
        RunFolder = args[1],
        ModelFolder = args[1],
        LogFolder = args[1],
    };
    await new LocalLauncher(Logger.None).RunAsync(run, new PrintProcessIds());
    return 0;
}

if (args[0] == "agent")
{
    return await AgentProcess.RunAsync(args[1..]);
}

if (args[0] == RankProgram.Argument)
{
    return await RankProgram.RunAsync();
}

// These two do not keep to the protocol, and so do without its helper.
if (args[0] == "malformed")
{
    Console.Out.Write("this is no message\n");
    Thread.Sleep(Timeout.Infinite);
}

if (args[0] == "oversized")
{
    Console.Out.Write(new string('x', 3 << 20));
    Thread.Sleep(Timeout.Infinite);
}

using var control = RankControl.Open();
var start = await control.WaitForStartAsync();
var modes = args[0].Split(',');
switch (modes[start.Rank % modes.Length])
{
    case "train":
        for (var step = 1; step <= 5; step++)
        {
            control.ReportProgress(new ProgressMessage(step, 5, 10.0 / step, 1e-3, 1000, step == 5 ? double.NaN : null));
        }

        control.ReportCheckpointed("l0000-g0001-s00000005", start.RunFolder);
        control.ReportFinished(JsonSerializer.Serialize(start));
        return 0;
    case "environment":
        string[] names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DOTNET_gcServer", "DOTNET_gcConcurrent", "LD_PRELOAD", "LINFORMER_TEST"];
        control.ReportFinished(JsonSerializer.Serialize(names.ToDictionary(name => name, Environment.GetEnvironmentVariable)));
        return 0;
    case "noise":
        Native.Write(1, "{\"type\":\"finished\",\"summaryJson\":\"forged\"}\nnative noise without a line break");
        Console.WriteLine("managed noise");
        control.ReportProgress(new ProgressMessage(1, 1, 1, 1, 1));
        Native.Write(1, "\u0000more\n");
        control.ReportFinished(Console.In.ReadLine() ?? "\"nothing to read\"");
        return 0;
    case "crash":
        for (var line = 1; line <= 30; line++)
        {
            Console.Error.WriteLine($"line {line} of the log");
        }

        Console.Error.Write("the last words");
        return 3;
    case "late-crash":
        control.RendezvousSet("alive", []);
        Thread.Sleep(300);
        return 4;
    case "exception":
        throw new InvalidOperationException("the tensor has no shape");
    case "abort":
        Native.Abort();
        return 0;
    case "segmentation-fault":
        Native.Crash();
        return 0;
    case "failed":
        control.ReportFailed("the loss is NaN at step 7");
        return 1;
    case "failed-for-good":
        control.ReportFailed("the corpus is too small", permanent: true);
        return 1;
    case "rendezvous-large":
        control.RendezvousSet("large", new byte[100_000]);
        Thread.Sleep(Timeout.Infinite);
        return 0;
    case "failed-with-long-lines":
        for (var line = 1; line <= 30; line++)
        {
            Console.Error.WriteLine("😀" + new string('x', 3000));
        }

        control.ReportFailed(new string('é', 10_000));
        return 1;
    case "steps-for-long":
        for (var step = 1; !control.StopRequested.IsCancellationRequested; step++)
        {
            control.ReportProgress(new ProgressMessage(step, 1_000_000, 1, 1, 1));
            Thread.Sleep(5);
        }

        return 0;
    case "peer-lost":
        control.RendezvousGet("alive", TimeSpan.FromSeconds(60));
        control.ReportFailed("the connection was closed", peerLost: true);
        return 1;
    case "failed-long":
        control.ReportFailed(new string('é', 5 << 20));
        return 1;
    case "unfinished":
        return 0;
    case "graceful":
        control.ReportProgress(new ProgressMessage(1, 1000, 1, 1, 1));
        control.StopRequested.WaitHandle.WaitOne();
        control.ReportCheckpointed("l0000-g0001-s00000001", start.RunFolder);
        return 0;
    case "talks":
        for (var line = 1; line <= 3; line++)
        {
            Console.Error.WriteLine($"line {line}");
        }

        Thread.Sleep(300);
        control.ReportProgress(new ProgressMessage(7, 1000, 1, 1, 1));
        control.StopRequested.WaitHandle.WaitOne();
        return 0;
    case "checkpoint-and-noise":
        control.ReportCheckpointed("l0000-g0001-s00000001", start.RunFolder, 1, 2, ["l0000-g0001-s00000000"]);
        for (var step = 2; step <= 50; step++)
        {
            control.ReportProgress(new ProgressMessage(step, 50, 1, 1, 1));
        }

        control.StopRequested.WaitHandle.WaitOne();
        return 0;
    case "stops-with-others":
        control.ReportProgress(new ProgressMessage(1, 1000, 1, 1, 1));
        control.ReportStopped(1);
        return 0;
    case "rendezvous":
        control.RendezvousSet($"address/{start.Rank}", Encoding.UTF8.GetBytes($"host:{start.Rank}"));
        var addresses = Enumerable.Range(0, start.WorldSize)
            .Select(rank => Encoding.UTF8.GetString(control.RendezvousGet($"address/{rank}", TimeSpan.FromSeconds(60))));
        control.ReportFinished(JsonSerializer.Serialize(addresses));
        return 0;
    case "rendezvous-waits":
        control.ReportFinished(JsonSerializer.Serialize(RendezvousWaits(control)));
        return 0;
    case "rendezvous-flood":
        for (var key = 0; key < 1000; key++)
        {
            control.RendezvousSet($"key/{key}", new byte[500_000]);
        }

        return 0;
    case "busy":
        while (true)
        {
            control.WaitForStartAsync().GetHashCode();
        }

    default:
        Thread.Sleep(Timeout.Infinite);
        return 0;
}

static string[] RendezvousWaits(RankControl control)
{
    string timedOut = "", cancelled = "", tooLong = "";
    try
    {
        control.RendezvousGet("nobody", TimeSpan.FromMilliseconds(50));
    }
    catch (TimeoutException e)
    {
        timedOut = e.Message;
    }

    try
    {
        control.RendezvousGet("nobody", TimeSpan.FromSeconds(60), new CancellationToken(canceled: true));
    }
    catch (OperationCanceledException e)
    {
        cancelled = e.GetType().Name;
    }

    try
    {
        control.RendezvousSet("large", new byte[2 << 20]);
    }
    catch (ArgumentException e)
    {
        tooLong = e.Message;
    }

    // The late value of the requests above must not be taken for this one's.
    control.RendezvousSet("nobody", [1]);
    control.RendezvousSet("twice", [2]);
    control.RendezvousSet("twice", [3]);
    return [timedOut, cancelled, tooLong, Convert.ToHexString(control.RendezvousGet("twice", TimeSpan.FromSeconds(60)))];
}

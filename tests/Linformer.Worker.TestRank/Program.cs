using System.Globalization;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using Linformer.Worker.TestRank;
using Serilog.Core;

// launch FOLDER: a launcher with two sleeping ranks, to be killed; prints their process ids.
// agent COORDINATOR TOKEN NAME SLOTS ROOT SHARD-BYTES MODES HANG-SECONDS: an agent whose ranks have these modes; SIGTERM makes it leave.
// rank: a rank that trains.
// memory JOB-FILE VOCABULARY: what a micro-batch of the job takes; see MemoryProbe.
// MODE,MODE,…: a member that does what the mode of its number says; see FakeRank.
switch (args[0])
{
    case "launch":
        var run = new LocalRun
        {
            Command = Environment.ProcessPath!,
            Arguments = ["busy,sleep"],
            Processes = 2,
            First = new JoinMessage(0, 1, 0, 2),
            JobJson = "{}",
            StorageRoot = args[1],
            CorpusFolder = args[1],
            RunFolder = args[1],
            ModelFolder = args[1],
            LogFolder = args[1],
        };
        await new LocalLauncher(Logger.None).RunAsync(run, new PrintProcessIds());
        return 0;
    case "agent":
        return await AgentProcess.RunAsync(args[1..]);
    case RankProgram.Argument:
        return await RankProgram.RunAsync();
    case "memory":
        return MemoryProbe.Run(args[1], int.Parse(args[2], CultureInfo.InvariantCulture));
    // These two do not keep to the protocol, and so do without its helper.
    case "malformed":
        Console.Out.Write("this is no message\n");
        Thread.Sleep(Timeout.Infinite);
        return 0;
    case "oversized":
        Console.Out.Write(new string('x', 3 << 20));
        Thread.Sleep(Timeout.Infinite);
        return 0;
    default:
        using (var control = RankControl.Open())
        {
            var start = await control.WaitForStartAsync();
            var modes = args[0].Split(',');
            return new FakeRank(control, start).Run(modes[(start.Member - 1) % modes.Length]);
        }
}

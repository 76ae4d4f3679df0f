using Linformer.Cli;
using Linformer.Worker.Ranks;

// A rank process talks over its standard input and output, so nothing else may touch them first.
if (args is [RankProgram.Argument])
{
    // A thread that a plug-in left behind must not keep the process.
    Environment.Exit(await RankProgram.RunAsync());
}

using var signals = new TerminationSignals();
var exitCode = await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), args, Console.Out, Console.Error, signals.Token);
return exitCode == ExitCodes.Cancelled ? signals.ExitCode : exitCode;

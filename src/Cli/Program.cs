using Linformer.Cli;

using var signals = new TerminationSignals();
var exitCode = await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), args, Console.Out, Console.Error, signals.Token);
return exitCode == ExitCodes.Cancelled ? signals.ExitCode : exitCode;

using System.CommandLine;
using System.CommandLine.Invocation;
using Linformer.Cli.Commands;
using Linformer.Cli.Commands.Bench;
using Linformer.Coordinator.Storage;

namespace Linformer.Cli;

/// <summary>The <c>linformer</c> command: its subcommands, and what happens around any of them.</summary>
public static class CommandLineApp
{
    /// <summary>The root command with all subcommands.</summary>
    public static RootCommand CreateRoot()
    {
        var root = new RootCommand(
            """
            Trains Linformer (linear-time self-attention) language models.

            The launcher adds two commands, which build first: `build` (choose packages, CPU or GPU) and `test` (run the tests);
            each has its own --help.
            """)
        {
            DemoCommand.Create(),
            UpCommand.Create(),
            CoordinatorCommand.Create(),
            WorkerCommand.Create(),
            SubmitCommand.Create(),
            JobsCommand.Create(),
            JobCommands.Show(),
            JobCommands.Watch(),
            TopCommand.Create(),
            LogsCommand.Create(),
            ChangeCommands.Cancel(),
            ChangeCommands.Pause(),
            ChangeCommands.Resume(),
            JobCommands.Checkpoints(),
            GoBackCommand.Create(),
            DeleteCommand.Create(),
            ExportCommand.Create(),
            ClusterCommands.Workers(),
            DrainCommand.Create(),
            ClusterCommands.Corpora(),
            WhoAmICommand.Create(),
            TokensCommand.Create(),
            AuditCommand.Create(),
            CertificatesCommand.Create(),
            DoctorCommand.Create(),
            DoctorProbeCommand.Create(),
            CompletionCommand.Create(),
            TrainCommand.Create(),
            EvaluateCommand.Create(),
            ClassifyCommand.Create(),
            EmbedCommand.Create(),
            FillMaskCommand.Create(),
            AttentionMapCommand.Create(),
            GenerateCommand.Create(),
            TranslateCommand.Create(),
            ForwardCommand.Create(),
            ConvertCommand.Create(),
            BenchCommand.Create(),
            JobFileSchemaCommand.Create(),
            JobFileDocsCommand.Create(),
        };
        root.HelpName = "linformer";
        GlobalOptions.AddTo(root);
        Examples.AddToHelp(root);
        return root;
    }

    /// <summary>Runs a command line. Exceptions become an error message and an exit code other than 0.</summary>
    /// <param name="root">The command with its subcommands.</param>
    /// <param name="args">The arguments.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where progress and errors go.</param>
    /// <param name="cancellation">Ends the command early, with <see cref="ExitCodes.Cancelled"/>.</param>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync(
        RootCommand root, IReadOnlyList<string> args, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        var configuration = new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            // Signals are handled by TerminationSignals: a command may take longer than a fixed time to end well.
            ProcessTerminationTimeout = null,
        };
        if (args.Count == 0)
        {
            await root.Parse(["--help"]).InvokeAsync(configuration, cancellation);
            return ExitCodes.Failure;
        }

        var parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction)
            return UsageErrors.Write(parsed, error);
        try
        {
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            await error.WriteLineAsync("cancelled");
            return ExitCodes.Cancelled;
        }
        catch (Exception exception)
        {
            Errors.Write(exception, parsed.GetValue(GlobalOptions.Output), parsed.GetValue(GlobalOptions.Verbose), error);
            return exception is FencedException ? ExitCodes.LeaseLost : ExitCodes.Failure;
        }
    }
}

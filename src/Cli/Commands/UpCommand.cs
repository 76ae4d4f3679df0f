using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Hosting;
using Linformer.Coordinator.Hosting;
using Linformer.Worker.Agents;

namespace Linformer.Cli.Commands;

/// <summary><c>up</c>: a cluster on this machine, in one process.</summary>
internal static class UpCommand
{
    private const int MostWorkers = 64;
    private const int MostSlots = 1024;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var workers = CountOption.Create("--workers", "Workers on this machine", 2, MostWorkers);
        var slots = CountOption.Create("--slots", "Slots of each worker: ranks that run at the same time", 1, MostSlots);
        var data = StorageOption.Create();
        var (listen, http) = (ListenOption.Create(), HttpOption.Create());
        var (lease, hangTimeout, stallTimeout, plugins) = (LeaseOption.Create(), HangTimeoutOption.Create(), StallTimeoutOption.Create(), PluginsOption.Create());
        var database = new DatabaseOptions();
        var (logs, otlp) = (new LogOptions(), new OtlpOptions());
        var command = new Command("up", "Run a coordinator and workers on this machine, until Ctrl-C") { workers, slots, data, listen, http, lease, hangTimeout, stallTimeout, plugins };
        database.AddTo(command);
        logs.AddTo(command);
        otlp.AddTo(command);
        command.WithExamples(
            "up                                  # two workers with a slot each",
            "up --workers 1 --slots 4 --data /data/linformer");
        command.SetActionUntilStopped(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = new LocalClusterOptions
            {
                DataFolder = Path.GetFullPath(parsed.GetValue(data)!),
                Listen = parsed.GetValue(listen)!,
                HttpListen = HttpOption.ValueOrFree(parsed, http, context),
                Workers = parsed.GetValue(workers),
                Slots = parsed.GetValue(slots),
                Lease = parsed.GetValue(lease).Time,
                Watchdog = new WatchdogOptions { Silence = parsed.GetValue(hangTimeout).Time }.WithStall(parsed.GetValue(stallTimeout).Time),
                AllowPlugins = parsed.GetValue(plugins),
                Database = database.Address(parsed),
                DatabaseLease = database.Lease(parsed),
            };
            await using var log = logs.Create(context, parsed);
            using var export = otlp.Start(parsed, "linformer", instance: null, log);
            await using var cluster = await LocalCluster.StartAsync(options, log, cancellation);
            context.WriteResult(
                new { coordinator = cluster.Address.ToString(), dashboard = cluster.Dashboard, options.Workers, options.Slots, options.DataFolder },
                output => Write(output, cluster, options));
            await cluster.WaitAsync(cancellation);
            context.Note("Stopping: ranks write a checkpoint, and their jobs go on at the next start. A second Ctrl-C ends at once.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(TextWriter output, LocalCluster cluster, LocalClusterOptions options)
    {
        var address = cluster.Address;
        var elsewhere = address == new CoordinatorAddress("127.0.0.1", CoordinatorAddress.DefaultPort) || address == new CoordinatorAddress("localhost", CoordinatorAddress.DefaultPort)
            ? ""
            : $" --coordinator {address}";
        output.WriteLine($"The coordinator listens at {address}, with {options.Workers} × {options.Slots} slots.");
        if (cluster.Dashboard is { } dashboard)
            output.WriteLine($"Dashboard: {dashboard}");
        output.WriteLine($"Storage: {options.DataFolder} (corpora, checkpoints, models; paths in job files are relative to it)");
        // Beyond loopback everybody shows a token.
        var token = options.Listen.All(listen => ListenAddress.Parse(listen).IsLoopback)
            ? ""
            : $" --token-file {Shell.Quote(Path.Combine(options.DataFolder, "coordinator", "user-token"))}";
        output.WriteLine($"Submit a job: ./linformer submit FILE --watch{elsewhere}{token}");
        output.WriteLine("Ctrl-C stops; jobs go on at the next start.");
        output.Flush();
    }
}

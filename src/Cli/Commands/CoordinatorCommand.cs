using System.CommandLine;
using System.Net;
using Linformer.Cli.Hosting;
using Linformer.Coordinator;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Cli.Commands;

/// <summary><c>coordinator</c>: the coordinator of a cluster.</summary>
internal static class CoordinatorCommand
{
    private static readonly CoordinatorOptions Defaults = new() { DataFolder = "" };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var listen = ListenOption.Create();
        var lease = LeaseOption();
        var folder = new Option<string?>("--coordinator-folder")
        {
            Description = "Where the tokens and an SQLite database are kept (default: coordinator below --data)",
            HelpName = "DIR",
        };
        var database = new DatabaseOptions();
        var format = HostLog.Option();
        var command = new Command("coordinator", "Run the coordinator of a cluster, until Ctrl-C or SIGTERM") { data, listen, lease, folder, format };
        database.AddTo(command);
        command.WithExamples(
            "coordinator --data /data/linformer                          # for this machine alone",
            "coordinator --data /data/linformer --listen 0.0.0.0:7070 --log-format json",
            "coordinator --data /data/linformer --listen 0.0.0.0:7070 --database postgresql://linformer@db/linformer   # stands by while another is active");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var seconds = TimeSpan.FromSeconds(parsed.GetValue(lease));
            var options = Defaults with
            {
                DataFolder = Path.GetFullPath(parsed.GetValue(data)!),
                CoordinatorFolder = Path.GetFullPath(parsed.GetValue(folder) ?? Path.Combine(parsed.GetValue(data)!, "coordinator")),
                Database = database.Address(parsed),
                DatabaseLease = database.Lease(parsed),
                Listen = [.. parsed.GetValue(listen)!],
                Lease = seconds,
                HeartbeatInterval = seconds / 5,
            };
            await using var log = HostLog.Create(context, parsed.GetValue(format));
            try
            {
                await RunAsync(context, options, log, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
            }

            context.Note("Stopping; the ranks train on without a coordinator, and the jobs go on when one is back.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task RunAsync(CommandContext context, CoordinatorOptions options, ILogger log, CancellationToken cancellation)
    {
        while (true)
        {
            await using var host = await CoordinatorStart.StartAsync(options, log, cancellation);
            context.WriteResult(new { addresses = host.Addresses.Select(address => address.Authority), options.DataFolder }, output => Write(output, host, options));
            try
            {
                await host.WaitForShutdownAsync(cancellation);
                throw new CommandException("The coordinator has ended by itself; its log says why.");
            }
            catch (DatabaseUnreachableException)
            {
                // Another may be active by now. If none is, this one is again as soon as the database answers.
                log.Warning("The database was away for too long: this coordinator serves no more, and stands by until the database is back");
                options = options with { WaitForDatabase = true };
            }
        }
    }

    private static Option<double> LeaseOption()
    {
        var option = new Option<double>("--lease")
        {
            Description = "A worker that says nothing for so long is lost, 1 to 3600",
            HelpName = "SECONDS",
            DefaultValueFactory = _ => Defaults.Lease.TotalSeconds,
        };
        option.Validators.Add(result =>
        {
            if (result.TryGet<double>(out var value) && value is not (>= 1 and <= 3600))
                result.AddError("--lease must be from 1 to 3600.");
        });
        return option;
    }

    // An address that listens everywhere leads nowhere from elsewhere.
    private static string Reachable(Uri address) =>
        IPAddress.TryParse(address.DnsSafeHost, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
            ? $"{Dns.GetHostName()}:{address.Port}"
            : address.Authority;

    private static void Write(TextWriter output, CoordinatorHost host, CoordinatorOptions options)
    {
        var folder = Shell.Quote(options.DataFolder);
        output.WriteLine($"The coordinator listens at {string.Join(", ", host.Addresses.Select(address => address.Authority))}.");
        output.WriteLine($"Storage: {options.DataFolder}, which every worker mounts");
        if (options.Database is { } database)
            output.WriteLine($"Database: {database}, as coordinator of epoch {host.Epoch}");
        output.WriteLine($"Start workers: ./linformer worker --coordinator {Reachable(host.Addresses[0])} --data {folder} --join-token-file {Shell.Quote(Path.Combine(options.CoordinatorFolder, "join-token"))}");
        output.Flush();
    }
}

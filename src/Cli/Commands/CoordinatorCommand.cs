using System.CommandLine;
using System.Net;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Hosting;
using Linformer.Coordinator;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Cli.Commands;

/// <summary><c>coordinator</c>: the coordinator of a cluster.</summary>
internal static class CoordinatorCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var (listen, http) = (ListenOption.Create(), HttpOption.Create());
        var (lease, publicUrls) = (LeaseOption.Create(), new PublicUrlOptions());
        var patience = SecondsOption.Create(
            "--preparation-patience",
            "A worker that makes no progress with its part of a corpus's preparation has it taken away after so long",
            new CoordinatorOptions { DataFolder = "" }.PreparationPatience,
            TimeSpan.FromSeconds(10),
            TimeSpan.FromDays(1));
        var folder = new Option<string?>("--coordinator-folder")
        {
            Description = "Where the tokens and an SQLite database are kept (default: coordinator below --data)",
            HelpName = "DIR",
        };
        var (database, retention, access, scale) = (new DatabaseOptions(), new RetentionOptionSet(), new AccessOptions(), new ScaleOptions());
        var health = HealthOption.Create("200 only while it serves");
        var (logs, otlp) = (new LogOptions(), new OtlpOptions());
        var command = new Command("coordinator", "Run the coordinator of a cluster, until Ctrl-C or SIGTERM") { data, listen, http, lease, patience, folder };
        publicUrls.AddTo(command);
        database.AddTo(command);
        retention.AddTo(command);
        access.AddTo(command, listen);
        scale.AddTo(command);
        command.Add(health);
        logs.AddTo(command);
        otlp.AddTo(command);
        command.WithExamples(
            "coordinator --data /data/linformer                          # for this machine alone",
            "coordinator --data /data/linformer --listen 0.0.0.0:7070 --tls-certificate server.pem --tls-key server.key",
            "coordinator --data /data/linformer --listen 0.0.0.0:7070 --database postgresql://linformer@db/linformer   # stands by while another is active");
        command.SetActionUntilStopped(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            await using var log = logs.Create(context, parsed);
            var options = new CoordinatorOptions
            {
                DataFolder = Path.GetFullPath(parsed.GetValue(data)!),
                CoordinatorFolder = Path.GetFullPath(parsed.GetValue(folder) ?? Path.Combine(parsed.GetValue(data)!, "coordinator")),
                Database = database.Address(parsed),
                DatabaseLease = database.Lease(parsed),
                Listen = [.. parsed.GetValue(listen)!],
                HttpListen = HttpOption.Value(parsed, http),
                PublicAddresses = publicUrls.Urls(parsed),
                StrictTransport = publicUrls.IsStrict(parsed),
                PreparationPatience = parsed.GetValue(patience).Time,
                Retention = retention.Value(parsed),
                Scaling = scale.Value(parsed),
            };
            options = access.Apply(options.WithLease(parsed.GetValue(lease).Time), parsed, log);
            await using var state = new CoordinatorHealth();
            using var standby = new StandbyMeter(state);
            using var metrics = parsed.GetValue(health) is null ? null : new MetricsPage();
            await using var server = parsed.GetValue(health) is { } address ? await HealthServer.StartAsync(address, state, metrics!) : null;
            using var export = otlp.Start(parsed, "linformer-coordinator", instance: null, log);
            try
            {
                await RunAsync(context, options, state, metrics, log, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
            }

            context.Note("Stopping; the ranks train on without a coordinator, and the jobs go on when one is back.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task RunAsync(
        CommandContext context, CoordinatorOptions options, CoordinatorHealth health, MetricsPage? metrics, ILogger log, CancellationToken cancellation)
    {
        while (true)
        {
            health.StandsBy();
            await using var host = await CoordinatorStart.StartAsync(options, log, cancellation);
            health.Serves(host.AnswerAsync);
            metrics?.Refresh = host.RefreshMetricsAsync;
            context.WriteResult(new { addresses = host.Addresses.Select(address => address.Authority), dashboards = host.HttpAddresses, options.DataFolder }, output => Write(output, host, options));
            try
            {
                await host.WaitForShutdownAsync(cancellation);
                cancellation.ThrowIfCancellationRequested();
                throw new CommandException("The coordinator has ended by itself; its log says why.");
            }
            catch (DatabaseUnreachableException)
            {
                // Another may be active by now. If none is, this one is again as soon as the database answers.
                log.Warning("The database was away for too long: this coordinator serves no more, and stands by until the database is back");
                options = options with { WaitForDatabase = true };
            }
            finally
            {
                health.Ends();
                metrics?.Refresh = null;
            }
        }
    }

    // An address that listens everywhere leads nowhere from elsewhere.
    private static string Reachable(Uri address) =>
        IPAddress.TryParse(address.DnsSafeHost, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
            ? $"{Dns.GetHostName()}:{address.Port}"
            : address.Authority;

    private static void Write(TextWriter output, CoordinatorHost host, CoordinatorOptions options)
    {
        var folder = Shell.Quote(options.DataFolder);
        var tls = options.Certificate is not null;
        output.WriteLine($"The coordinator listens at {string.Join(", ", host.Addresses.Select(address => address.Authority))}{(tls ? ", by TLS" : "")}.");
        foreach (var dashboard in host.HttpAddresses)
            output.WriteLine($"Dashboard: {HttpOption.Dashboard(dashboard)}");
        output.WriteLine($"Storage: {options.DataFolder}, which every worker mounts");
        if (options.Database is { } database)
            output.WriteLine($"Database: {database}, as coordinator of epoch {host.Epoch}");
        var joinToken = options.JoinTokenFile ?? Path.Combine(options.CoordinatorFolder, "join-token");
        output.WriteLine(
            $"Start workers: ./linformer worker --coordinator {(tls ? "https://" : "")}{Reachable(host.Addresses[0])}{(tls ? " --ca FILE" : "")} --data {folder} --join-token-file {Shell.Quote(joinToken)}");
        output.Flush();
    }
}

using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Hosting;
using Linformer.Cli.Views;
using Linformer.Coordinator.Hosting;
using Linformer.Protocol;
using Linformer.Protocol.Security;
using Linformer.Worker.Agents;
using Linformer.Worker.Machines;
using Serilog;

namespace Linformer.Cli.Commands;

/// <summary><c>worker</c>: the agent of one machine.</summary>
internal static class WorkerCommand
{
    private const string TokenVariable = "LINFORMER_JOIN_TOKEN";
    private const int MostSlots = 1024;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var data = StorageOption.Create();
        var name = new Option<string?>("--name") { Description = "The worker's name in the cluster, a DNS label (default: the machine's)", HelpName = "N" };
        var slots = SlotsOption();
        var device = DeviceOption.Create();
        var address = new Option<string?>("--address")
        {
            Description = "The address under which other workers reach this one's ranks (default: the one that leads to the coordinator)",
            HelpName = "IP",
        };
        var tokenFile = new Option<string?>("--join-token-file")
        {
            Description = $"A file with the join token, read again at each connection; the coordinator keeps it in coordinator/join-token below its --data (default: the token in {TokenVariable}; none with a client certificate)",
            HelpName = "FILE",
        };
        var certificate = new CertificateOptions("as client certificate, for a coordinator that trusts its authority (--worker-ca)", TrustFile.ClientPurpose);
        var (hangTimeout, stallTimeout, warmRanks, plugins) = (HangTimeoutOption.Create(), StallTimeoutOption.Create(), WarmRanksOption.Create(), PluginsOption.Create());
        var health = HealthOption.Create("200 only while it is connected with a coordinator");
        var (logs, otlp) = (new LogOptions(), new OtlpOptions());
        var command = new Command("worker", "Run a worker on this machine, until Ctrl-C or SIGTERM") { data, name, slots, device, address, tokenFile };
        client.AddCoordinatorTo(command);
        certificate.AddTo(command);
        foreach (var option in (Option[])[hangTimeout, stallTimeout, warmRanks, plugins, health])
            command.Add(option);
        logs.AddTo(command);
        otlp.AddTo(command);
        command.WithExamples(
            "worker --coordinator https://head:7070 --ca ca.pem --data /data/linformer --join-token-file join-token",
            "worker --coordinator https://head:7070 --ca ca.pem --tls-certificate worker.pem --tls-key worker.key --data /data/linformer",
            "worker --coordinator localhost:7070 --data /data/linformer --name gpu-3 --slots 4 --join-token-file join-token");
        command.SetActionUntilStopped(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var coordinators = client.Addresses(parsed);
            await using var log = logs.Create(context, parsed);
            SecretFiles.WarnIfOpen(log, parsed.GetValue(tokenFile));
            var tls = client.Tls(parsed, certificate.Load(parsed, log), log);
            if (tls.Certificate is not null && coordinators.All.FirstOrDefault(one => !one.IsSecure) is { } plain)
                throw new CommandException($"--tls-certificate is for TLS, and the coordinator is '{plain}'; write https://{plain.Authority}, or give --ca FILE.");
            var machine = Slots(parsed.GetValue(device), parsed.GetValue(slots));
            if (machine.Note.Length > 0)
                context.Note(machine.Note);
            var options = new WorkerAgentOptions
            {
                Coordinator = coordinators.All[0].Uri,
                OtherCoordinators = [.. coordinators.All.Skip(1).Select(address => address.Uri)],
                JoinToken = JoinToken(parsed.GetValue(tokenFile), isOptional: tls.Certificate is not null),
                JoinTokenFile = parsed.GetValue(tokenFile),
                Tls = tls,
                Name = parsed.GetValue(name) ?? MachineName(),
                Slots = machine.Count,
                Gpus = machine.Gpus,
                Address = parsed.GetValue(address) ?? await OwnAddressAsync(coordinators, cancellation),
                StorageRoot = Path.GetFullPath(parsed.GetValue(data)!),
                RankProgram = RankProcessCommand.Self(),
                WarmRanks = parsed.GetValue(warmRanks),
                AllowPlugins = parsed.GetValue(plugins),
                Watchdog = new WatchdogOptions { Silence = parsed.GetValue(hangTimeout).Time }.WithStall(parsed.GetValue(stallTimeout).Time),
            };
            using var export = otlp.Start(parsed, "linformer-worker", options.Name, log);
            return await RunAsync(context, options, coordinators, parsed.GetValue(health), log, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        CommandContext context, WorkerAgentOptions options, CoordinatorAddresses coordinators, ListenAddress? health, ILogger log, CancellationToken cancellation)
    {
        var agent = new WorkerAgent(options, log.ForContext("Worker", options.Name));
        using var metrics = health is null ? null : new MetricsPage();
        await using var server = health is null ? null : await HealthServer.StartAsync(health, new WorkerHealth(agent), metrics!);
        context.WriteResult(
            new { worker = options.Name, coordinator = coordinators.ToString(), options.Slots, options.Gpus, options.Address, options.StorageRoot },
            output => output.WriteLine(
                $"Worker {options.Name} with {Words.Count(options.Slots, options.Gpus.Count > 0 ? "GPU slot" : "slot")}, reached at {options.Address}; coordinator {coordinators.Words}, storage {options.StorageRoot}"));
        await context.Output.FlushAsync(CancellationToken.None);
        using var told = cancellation.Register(() => context.Note("Leaving: ranks hand over at the next step, or write a checkpoint and stop. A second Ctrl-C ends at once."));
        try
        {
            await agent.RunAsync(cancellation);
            return ExitCodes.Success;
        }
        catch (AgentRefusedException refused)
        {
            throw new CommandException($"The coordinator at {coordinators.Words} refused this worker: {refused.Message}");
        }
        catch (ArgumentException wrong)
        {
            throw new CommandException(wrong.Message);
        }
    }

    private static Option<int?> SlotsOption()
    {
        var option = new Option<int?>("--slots") { Description = $"Ranks that run here at the same time, 1 to {MostSlots} (default: one per GPU, or 1)", HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && value is not (null or (>= 1 and <= MostSlots)))
                result.AddError($"--slots is {value}; allowed are 1 to {MostSlots}.");
        });
        return option;
    }

    private static MachineSlots Slots(DeviceKind device, int? count)
    {
        try
        {
            return MachineSlots.Choose(device, count);
        }
        catch (GpuException error)
        {
            throw new CommandException(error.Message);
        }
    }

    // A file that cannot be read is told now, though it is read again later.
    private static string JoinToken(string? file, bool isOptional)
    {
        if (file is not null)
            return TokenFile.Read(file);
        return Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } token
            ? TokenFile.Checked(token.Trim(), TokenVariable)
            : isOptional ? "" : throw new CommandException($"A worker needs the join token: give --join-token-file FILE, or {TokenVariable}. The coordinator keeps it in the file coordinator/join-token below its --data folder. Or give a client certificate with --tls-certificate.");
    }

    // "Box_7.example.org" becomes box-7: the agent's name is a DNS label.
    private static string MachineName()
    {
        var label = new string([.. Environment.MachineName.Split('.')[0].ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')]).Trim('-');
        return label.Length > 0 ? label[..Math.Min(label.Length, 63)] : "worker";
    }

    // The system chooses the address from which the coordinator would be reached; nothing is sent.
    private static async Task<string> OwnAddressAsync(CoordinatorAddresses coordinators, CancellationToken cancellation)
    {
        var reason = "";
        foreach (var coordinator in coordinators.All)
        {
            try
            {
                var addresses = await Dns.GetHostAddressesAsync(coordinator.Host, cancellation);
                var target = addresses.FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork) ?? addresses[0];
                using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
                await socket.ConnectAsync(target, coordinator.Port, cancellation);
                return ((IPEndPoint)socket.LocalEndPoint!).Address.ToString();
            }
            catch (SocketException error)
            {
                reason = error.Message;
            }
        }
        throw new CommandException($"The way to the coordinator {coordinators.Words} is not known ({reason}); give this machine's own address with --address IP.");
    }
}

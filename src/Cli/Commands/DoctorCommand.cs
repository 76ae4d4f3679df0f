using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Doctor;
using Linformer.Cli.Doctor.Database;
using Linformer.Cli.Doctor.Machine;
using Linformer.Cli.Doctor.Network;
using Linformer.Cli.Doctor.Storage;
using Linformer.Cli.Views;

namespace Linformer.Cli.Commands;

/// <summary><c>doctor</c>: says what is wrong with a machine or a cluster, and how to mend it.</summary>
internal static class DoctorCommand
{
    private static readonly string[] Subjects = ["machine", "storage", "coordinator", "database"];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var data = new Option<string?>("--data") { Description = "Also check this storage root, as this machine sees it", HelpName = "DIR" };
        var database = new DatabaseOptions();
        var only = new Option<string[]>("--only")
        {
            Description = "Only these: machine, storage, coordinator, database (default: the machine, and all that the options or the environment name)",
            HelpName = "SUBJECT…",
            AllowMultipleArgumentsPerToken = true,
        };
        only.AcceptOnlyFromAmong(Subjects);
        var command = new Command("doctor", "Check this machine, and the storage, coordinators and database that it is to use: says what is wrong and how to mend it. Succeeds if there is no problem") { data, only };
        client.AddTo(command);
        database.AddAddressTo(command);
        command.WithExamples(
            "doctor                                                          # this machine",
            "doctor --data /data/linformer --coordinator https://head:7070 --ca ca.pem --token-file token",
            "doctor --only database --database postgresql://linformer@db/linformer",
            "doctor --output json | jq '.findings[] | select(.verdict != \"ok\")'");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var chosen = parsed.GetValue(only) is { Length: > 0 } some ? some : Subjects;
            var checks = new List<IDoctorCheck>();
            if (chosen.Contains("machine"))
                checks.AddRange([new MachineCheck(), new TorchCheck(), new GlooCheck(), new GpuCheck()]);
            if (chosen.Contains("storage") && (parsed.GetValue(data) ?? StorageOption.FromEnvironment) is { } root)
                checks.Add(new StorageCheck(Path.GetFullPath(root)));
            if (chosen.Contains("coordinator") && client.IsGiven(parsed))
                checks.AddRange(Coordinator(client, parsed));
            if (chosen.Contains("database") && database.Address(parsed) is { } address)
                checks.Add(new DatabaseCheck(address));
            if (checks.Count == 0)
                throw new CommandException($"There is nothing to check: --only is {string.Join(' ', chosen)}, and neither --data, --coordinator, --database nor their environment variables name such a thing.");
            var text = context.Format == OutputFormat.Text ? new DoctorText(context.Output) : null;
            var findings = await new DoctorRun(checks, finding => text?.Show(finding)).RunAsync(cancellation);
            var (problems, warnings) = (findings.Count(one => one.Verdict == Verdict.Problem), findings.Count(one => one.Verdict == Verdict.Warning));
            context.WriteResult(
                new { findings = findings.Select(one => new { one.Subject, one.Check, verdict = DoctorText.Word(one.Verdict), one.Found, one.Advice }), problems, warnings },
                output => output.WriteLine($"\n{Words.Count(problems, "problem")}, {Words.Count(warnings, "warning")}, {Words.Count(findings.Count, "check")}."));
            return problems == 0 ? ExitCodes.Success : ExitCodes.Failure;
        });
        return command;
    }

    private static IEnumerable<IDoctorCheck> Coordinator(ClientOptions client, ParseResult parsed)
    {
        var (addresses, token, tls) = (client.Addresses(parsed), client.Token(parsed), client.Tls(parsed));
        foreach (var address in addresses.All)
            yield return new EndpointCheck(address, alone: addresses.All.Count == 1, sendsToken: token is not null, tls);
        yield return new CoordinatorCheck(addresses, token, tls);
    }
}

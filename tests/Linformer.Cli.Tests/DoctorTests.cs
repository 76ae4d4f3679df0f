using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Linformer.Cli.Tests.Cluster;
using Linformer.Protocol.V1;
using Tests.Shared;

namespace Linformer.Cli.Tests;

/// <summary><c>doctor</c> before things that are really broken.</summary>
public sealed class DoctorTests : ClusterTest
{
    private readonly TestAuthority _authority = new();

    [Fact]
    public async Task A_storage_that_is_well_has_no_problem()
    {
        await File.WriteAllTextAsync(Path.Combine(Folder, "storage-id"), "an-id\n");

        var findings = await Doctor(0, "storage", "--data", Folder);

        findings["storage-id"].ShouldBe(("ok", "an-id"));
        string[] checks = ["folder", "free space", "writing", "write speed", "read speed", "flushing to disk", "atomic rename", "rename of folders", "clock"];
        checks.ShouldBeSubsetOf(findings.Keys);
        findings["atomic rename"].Verdict.ShouldBe("ok");
        Directory.GetFileSystemEntries(Folder).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_folder_that_is_not_there_and_a_file_are_problems()
    {
        var file = Path.Combine(Folder, "file");
        await File.WriteAllTextAsync(file, "");

        (await Doctor(1, "storage", "--data", Path.Combine(Folder, "none")))["folder"].ShouldBe(("problem", "there is no such folder"));
        (await Doctor(1, "storage", "--data", file))["folder"].ShouldBe(("problem", "it is a file"));
    }

    [SkippableFact]
    [Trait("Lane", "Processes")]
    public async Task A_file_system_for_reading_only_is_a_problem()
    {
        await using var mount = await Mount("tmpfs", "-o", "ro,size=1m");

        var findings = await Doctor(1, "storage", "--data", mount.Path);

        findings["writing"].Verdict.ShouldBe("problem");
        findings["writing"].Found.ShouldContain("Read-only file system");
    }

    [SkippableFact]
    [Trait("Lane", "Processes")]
    public async Task A_full_file_system_is_a_problem_and_does_not_end_the_other_checks()
    {
        await using var mount = await Mount("tmpfs", "-o", "size=4m");

        var findings = await Doctor(1, "storage", "--data", mount.Path);

        findings["free space"].Verdict.ShouldBe("problem");
        findings["speed"].Verdict.ShouldBe("problem");
        findings["speed"].Found.ShouldContain("No space left");
        findings.Keys.ShouldContain("clock");
        Directory.GetFileSystemEntries(mount.Path).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_folder_without_a_storage_id_is_worth_a_warning()
    {
        (await Doctor(0, "storage", "--data", Folder))["storage-id"].Verdict.ShouldBe("warning");
    }

    [Fact]
    public async Task A_cluster_that_is_well_has_no_problem()
    {
        await Serve(_authority.Server());
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "w1", Alive = true, Slots = { new Slot { Device = "cpu" }, new Slot { Number = 1, Device = "cpu", JobId = "tiny-abcde" } } });

        var findings = await Doctor(0, "coordinator", "--coordinator", Coordinator.Address, "--ca", _authority.WritePem(Folder));

        findings.Values.ShouldAllBe(finding => finding.Verdict == "ok");
        findings["certificate"].Found.ShouldStartWith("trusted");
        findings["token"].Found.ShouldContain("ada, submitter, by token k3x7qabc");
        findings["workers"].Found.ShouldBe("1 worker connected with 2 slots, 1 of them free");
        findings["clock"].Found.ShouldContain("the coordinator's");
    }

    [Fact]
    public async Task A_closed_port_is_a_problem()
    {
        await Coordinator.KillAsync();

        var findings = await Doctor(1, "coordinator", "--coordinator", Coordinator.Address);

        findings["port"].ShouldBe(("problem", $"{Coordinator.Port}: nothing listens there"));
        findings["call"].Verdict.ShouldBe("problem");
    }

    [Fact]
    public async Task Of_several_coordinators_one_may_stand_by()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var closed = ((IPEndPoint)taken.LocalEndpoint).Port;
        taken.Stop();
        Script();

        await Doctor(0, "coordinator", "--coordinator", $"127.0.0.1:{closed},{Coordinator.Address}");

        Findings("port").ShouldBe([("warning", $"{closed}: nothing listens there"), ("ok", $"{Coordinator.Port} is open")]);
    }

    [Fact]
    public async Task A_name_that_is_none_is_a_problem()
    {
        (await Doctor(1, "coordinator", "--coordinator", "no-such-host.invalid:7070"))["DNS"].Verdict.ShouldBe("problem");
    }

    [Fact]
    public async Task A_wrong_authority_is_a_problem()
    {
        using var other = new TestAuthority("Another");
        await Serve(_authority.Server());

        var findings = await Doctor(1, "coordinator", "--coordinator", Coordinator.Address, "--ca", other.WritePem(Folder));

        findings["certificate"].Verdict.ShouldBe("problem");
        findings["certificate"].Found.ShouldContain("not trusted");
        findings["certificate's end"].Verdict.ShouldBe("ok");
        findings["call"].Found.ShouldContain("not trusted");
    }

    [Theory]
    [InlineData(-1, "problem")]
    [InlineData(5, "warning")]
    [InlineData(30, "ok")]
    public async Task The_end_of_a_certificate_is_seen(int days, string verdict)
    {
        await Serve(_authority.Server(days: days));

        var findings = await Doctor(days < 0 ? 1 : 0, "coordinator", "--coordinator", Coordinator.Address, "--ca", _authority.WritePem(Folder));

        findings["certificate's end"].Verdict.ShouldBe(verdict);
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_a_problem()
    {
        await Serve(_authority.Server("head.example.org", loopback: false));

        (await Doctor(1, "coordinator", "--coordinator", Coordinator.Address, "--ca", _authority.WritePem(Folder)))["certificate"].Found.ShouldContain("head.example.org");
    }

    [Fact]
    public async Task A_server_without_tls_is_a_problem()
    {
        Script();

        (await Doctor(1, "coordinator", "--coordinator", $"https://{Coordinator.Address}"))["TLS"].ShouldBe(("problem", "it does not speak TLS"));
    }

    [Fact]
    public async Task A_wrong_token_is_a_problem()
    {
        Coordinator.Tokens.OnWhoAmI = context => context.RequestHeaders.GetValue("authorization") == "Bearer wrong"
            ? throw JobsScript.Refusal(StatusCode.Unauthenticated, "This token holds no more.")
            : new WhoAmIResponse();
        var file = Path.Combine(Folder, "token");
        await File.WriteAllTextAsync(file, "wrong\n");

        (await Doctor(1, "coordinator", "--coordinator", Coordinator.Address, "--token-file", file))["token"].ShouldBe(("problem", "This token holds no more."));
    }

    [Fact]
    public async Task A_token_that_ends_soon_is_worth_a_warning()
    {
        Script();
        Coordinator.Tokens.OnWhoAmI = _ => new WhoAmIResponse { User = "ada", Role = Role.Viewer, TokenId = "k3x7qabc", ExpiresAt = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(2)) };

        (await Doctor(0, "coordinator", "--coordinator", Coordinator.Address))["token"].Verdict.ShouldBe("warning");
    }

    [Fact]
    public async Task Another_version_of_the_protocol_is_a_problem()
    {
        Coordinator.Tokens.OnWhoAmI = _ => throw JobsScript.Refusal(StatusCode.FailedPrecondition, "This coordinator speaks protocol versions 3 to 4.");

        (await Doctor(1, "coordinator", "--coordinator", Coordinator.Address))["protocol"].ShouldBe(("problem", "This coordinator speaks protocol versions 3 to 4."));
    }

    [Fact]
    public async Task Workers_that_are_lost_or_drained_are_worth_a_warning()
    {
        Script();
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "w1", Host = "node1", LastSeen = Timestamp.FromDateTime(DateTime.UtcNow.AddMinutes(-5)) });
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "w2", Alive = true, Drained = true, Slots = { new Slot { Device = "cpu" } } });

        var findings = await Doctor(0, "coordinator", "--coordinator", Coordinator.Address);

        findings["worker w1"].ShouldBe(("warning", "lost; seen 5 min ago on node1"));
        findings["worker w2"].Verdict.ShouldBe("warning");
        findings["workers"].Verdict.ShouldBe("ok");
    }

    [Fact]
    [Trait("Speed", "Slow")]
    public async Task One_that_accepts_and_says_nothing_does_not_hold_it_up_for_ever()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        var findings = await Doctor(1, "coordinator", "--coordinator", $"127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}");

        findings["port"].Verdict.ShouldBe("ok");
        findings["call"].Verdict.ShouldBe("problem");
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_a_problem()
    {
        (await Doctor(1, "database", "--database", "postgresql://ada:secret@127.0.0.1:1/jobs"))["connection"].Verdict.ShouldBe("problem");

        Output.ToString().ShouldNotContain("secret");
    }

    [SkippableFact]
    [Trait("Lane", "Processes")]
    public async Task A_database_is_looked_at()
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        await using var server = await PostgresServer.StartAsync();
        var database = await server.CreateDatabaseAsync();

        var findings = await Doctor(0, "database", "--database", server.Uri(database));

        findings.Values.ShouldAllBe(finding => finding.Verdict == "ok");
        findings["version"].Found.ShouldStartWith("PostgreSQL ");
        findings["coordinator"].Found.ShouldBe("none is active");
        findings["clock"].Found.ShouldContain("ms");
        Output.Clear();
        (await Doctor(1, "database", "--database", server.Uri(database, password: "wrong")))["connection"].Verdict.ShouldBe("problem");
    }

    [Fact]
    public async Task Nothing_to_check_is_an_error()
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["doctor", "--only", "database"], Output, Error, default)).ShouldBe(1);

        Error.ToString().ShouldContain("There is nothing to check");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task The_machine_is_checked_in_processes_of_their_own()
    {
        var findings = await Machine(0);

        findings["libtorch"].GetProperty("verdict").GetString().ShouldBe("ok");
        findings["libtorch"].GetProperty("found").GetString()!.ShouldContain("libtorch");
        findings["Gloo"].GetProperty("verdict").GetString().ShouldBe("ok");
        findings["cores"].GetProperty("found").GetString()!.ShouldContain($"{Environment.ProcessorCount}");
        findings.Keys.ShouldContain("GPUs");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task Gpus_are_named_with_the_versions_of_their_libraries()
    {
        var findings = await Machine(0, [.. NcclDouble.Double.Variables.Select(one => (one.Key, one.Value))]);

        foreach (var check in (string[])["GPUs", "CUDA runtime", "NCCL"])
            findings[check].GetProperty("verdict").GetString().ShouldBe("ok");
        findings["NCCL"].GetProperty("found").GetString()!.ShouldMatch(@"^2\.\d+\.\d+$");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task A_gpu_without_nccl_is_a_problem()
    {
        var findings = await Machine(
            1, ("LINFORMER_NVML_LIBRARY", NcclDouble.Double.Library), ("LINFORMER_CUDART_LIBRARY", NcclDouble.Double.Library), ("LINFORMER_NCCL_LIBRARY", "libno-such-nccl.so"));

        findings["NCCL"].GetProperty("verdict").GetString().ShouldBe("problem");
        findings["CUDA runtime"].GetProperty("verdict").GetString().ShouldBe("ok");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task Gpus_are_judged_as_workers_and_ranks_do()
    {
        (string, string)[] variables = [.. NcclDouble.Double.Variables.Select(one => (one.Key, one.Value)), ("NCCL_DOUBLE_GPUS", "2"), ("NCCL_DOUBLE_FORBIDDEN_GPU", "0")];
        var findings = await Machine(1, [.. variables, ("NCCL_DOUBLE_VERSION", "22501")]);

        findings["GPUs"].GetProperty("verdict").GetString().ShouldBe("ok");
        findings["GPUs"].GetProperty("found").GetString().ShouldBe("Double of a GPU");
        findings["NCCL"].GetProperty("verdict").GetString().ShouldBe("problem");
        findings["NCCL"].GetProperty("found").GetString()!.ShouldContain("at least 2.26.2 is needed");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task A_library_that_is_none_is_a_problem_and_does_not_end_the_checks()
    {
        var broken = Path.Combine(Folder, "libbroken.so");
        await File.WriteAllTextAsync(broken, "not a library");

        var findings = await Machine(1, ("LINFORMER_NVML_LIBRARY", broken));

        findings["GPUs"].GetProperty("verdict").GetString().ShouldBe("problem");
        findings["GPUs"].GetProperty("found").GetString()!.ShouldContain("cannot be loaded");
        findings["Gloo"].GetProperty("verdict").GetString().ShouldBe("ok");
    }

    protected override void Clean() => _authority.Dispose();

    private async Task Serve(System.Security.Cryptography.X509Certificates.X509Certificate2 certificate)
    {
        await Coordinator.KillAsync();
        await Coordinator.StartAsync(certificate);
        Script();
    }

    private void Script() => Coordinator.Tokens.OnWhoAmI = _ => new WhoAmIResponse { User = "ada", Role = Role.Submitter, TokenId = "k3x7qabc" };

    /// <summary>Runs it as JSON; of a check that is made several times, the last finding counts.</summary>
    private async Task<Dictionary<string, (string Verdict, string Found)>> Doctor(int exitCode, string subject, params string[] arguments)
    {
        Output.Clear();
        string[] line = ["doctor", "--only", subject, "--output", "json", .. arguments];
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), line, Output, Error, CancellationToken.None)).ShouldBe(exitCode, Output.ToString() + Error);
        return Findings().GroupBy(one => one.Check).ToDictionary(group => group.Key, group => (group.Last().Verdict, group.Last().Found));
    }

    private IEnumerable<(string Check, string Verdict, string Found)> Findings() => [.. Json().GetProperty("findings").EnumerateArray().Select(one =>
    {
        // Whatever is not well comes with how to mend it.
        one.TryGetProperty("advice", out _).ShouldBe(one.GetProperty("verdict").GetString() != "ok");
        return (one.GetProperty("check").GetString()!, one.GetProperty("verdict").GetString()!, one.GetProperty("found").GetString()!);
    })];

    private IEnumerable<(string, string)> Findings(string check) => Findings().Where(one => one.Check == check).Select(one => (one.Verdict, one.Found));

    private static async Task<Dictionary<string, JsonElement>> Machine(int exitCode, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Cli"), ["doctor", "--only", "machine", "--output", "json"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(exitCode, output);
        using var document = JsonDocument.Parse(output);
        return document.RootElement.GetProperty("findings").EnumerateArray().ToDictionary(one => one.GetProperty("check").GetString()!, one => one.Clone());
    }

    private async Task<Mounted> Mount(params string[] arguments)
    {
        var path = Directory.CreateDirectory(Path.Combine(Folder, "mount")).FullName;
        using var process = Process.Start(new ProcessStartInfo("mount", ["-t", .. arguments, arguments[0], path]) { UseShellExecute = false, RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Skip.If(process.ExitCode != 0, $"nothing can be mounted here: {error}");
        return new Mounted(path);
    }

    private sealed class Mounted(string path) : IAsyncDisposable
    {
        public string Path => path;

        public async ValueTask DisposeAsync()
        {
            using var process = Process.Start("umount", path);
            await process.WaitForExitAsync();
        }
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Deploy;

/// <summary>
/// The images' root file systems, put together from Debian's packages, with the program running in them as a container engine would
/// run it: as an ordinary user who is in no list of users, read-only but for /data and /tmp.
/// </summary>
[Trait("Lane", "Processes"), Trait("Speed", "Slow")]
public sealed class RootFileSystemTests : IClassFixture<RootFileSystemTests.Program>, IDisposable
{
    private const string Linformer = "/opt/linformer/linformer";
    private const int User = 10001;

    private static readonly TimeSpan MakeLimit = TimeSpan.FromMinutes(10);

    private readonly Program _program;
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("linformer-image-");
    private readonly List<Process> _running = [];

    public RootFileSystemTests(Program program)
    {
        _program = program;
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_data.FullName, (UnixFileMode)0b111_111_111);
        }
    }

    [SkippableFact]
    public async Task The_CPU_workers_image_trains_a_job_to_its_end()
    {
        var root = await _program.MakeAsync("worker-cpu");
        var port = FreePort();
        WriteJob();
        var cluster = Start(root, Linformer, "up", "--workers=2", "--data=/data", $"--listen=localhost:{port}", "--http=none");
        await cluster.SaysAsync("listens at");

        var ran = await RunAsync(root, Linformer, "submit", "/data/job.yaml", "--watch", $"--coordinator=localhost:{port}");

        ran.ExitCode.ShouldBe(0, ran.Output + ran.Error + cluster.Text);
        ran.Output.ShouldContain("has succeeded");
        var model = Directory.GetFiles(Path.Combine(_data.FullName, "models"), "model.safetensors", SearchOption.AllDirectories).ShouldHaveSingleItem();
        (await OwnerAsync(model)).ShouldBe(User);
        (await StopAsync(cluster)).ShouldBe(0, cluster.Text);
        cluster.Text.ShouldNotContain("Read-only file system");
    }

    [SkippableFact]
    public async Task The_coordinators_image_serves_without_libtorch()
    {
        var root = await _program.MakeAsync("coordinator");
        Directory.EnumerateFiles(root, "lib*torch*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).ShouldBeEmpty();
        var (port, http, health) = (FreePort(), FreePort(), FreePort());
        var coordinator = Start(root, Linformer, "coordinator", "--data=/data", $"--listen=localhost:{port}", $"--http=localhost:{http}", $"--health=localhost:{health}");
        await coordinator.SaysAsync("listens at");

        var jobs = await RunAsync(root, Linformer, "jobs", "--output=json", $"--coordinator=localhost:{port}");

        jobs.ExitCode.ShouldBe(0, jobs.Error + coordinator.Text);
        (await RunAsync(root, "healthcheck", "/readyz", $"{health}")).ExitCode.ShouldBe(0);
        (await RunAsync(root, "healthcheck", "/nothing", $"{health}")).ExitCode.ShouldNotBe(0);
        (await StopAsync(coordinator)).ShouldBe(0, coordinator.Text);
        (await RunAsync(root, "healthcheck", "/healthz", $"{health}")).ExitCode.ShouldNotBe(0);
    }

    [SkippableFact]
    public async Task Nothing_but_data_and_tmp_can_be_written()
    {
        var root = await _program.MakeAsync("coordinator");

        var ran = await RunAsync(root, "sh", "-c", "id -u; touch /data/a /tmp/a && echo written; touch /a /opt/linformer/a /etc/a /usr/local/lib/a || true");

        ran.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldBe([$"{User}", "written"]);
        ran.Error.Split("Read-only file system").Length.ShouldBe(5, ran.Error);
    }

    public void Dispose()
    {
        foreach (var process in _running)
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit();
            }

            process.Dispose();
        }

        _data.Delete(recursive: true);
    }

    private void WriteJob()
    {
        var corpora = _data.CreateSubdirectory("corpora");
        string[] words = ["whale", "ship", "sea", "captain", "harpoon", "boat", "crew", "mast", "wind", "wave", "night", "day", "deep", "old", "man"];
        for (var file = 0; file < 10; file++)
        {
            var random = new Random(file);
            File.WriteAllText(Path.Combine(corpora.FullName, $"{file}.txt"), string.Join(' ', Enumerable.Range(0, 700).Select(_ => words[random.Next(words.Length)])));
        }

        File.WriteAllText(Path.Combine(_data.FullName, "job.yaml"), """
            name: tiny
            corpus: { files: ["corpora/*.txt"], tokenizer: { kind: byte-bpe, vocabularySize: 300 }, heldOut: 0.1 }
            model: { layers: 2, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 32, projectedLength: 8 }
            training: { steps: 10, globalBatch: 8, microBatch: 4, warmupSteps: 5, evaluateEvery: 10, checkpointEvery: 5 }
            ranks: { min: 2, max: 2 }
            """);
    }

    private Task<Ran> RunAsync(string root, params string[] command) => Repository.RunAsync(Program.Script, Arguments(root, command), limit: TimeSpan.FromMinutes(3));

    private string[] Arguments(string root, string[] command) => ["run", root, _data.FullName, .. command];

    private Running Start(string root, params string[] command)
    {
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(Program.Script, Arguments(root, command)) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true },
        };
        var running = new Running(process);
        process.OutputDataReceived += (_, line) => running.Add(line.Data);
        process.ErrorDataReceived += (_, line) => running.Add(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _running.Add(process);
        return running;
    }

    /// <summary>Tells the program to end, as a container engine does: it is the first process of its namespace.</summary>
    private static async Task<int> StopAsync(Running running)
    {
        var children = (await File.ReadAllTextAsync($"/proc/{running.Process.Id}/task/{running.Process.Id}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        using var kill = Process.Start("/bin/kill", ["-s", "TERM", children.ShouldHaveSingleItem()]);
        await kill.WaitForExitAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await running.Process.WaitForExitAsync(limit.Token);
        return running.Process.ExitCode;
    }

    private static async Task<int> OwnerAsync(string path)
    {
        var stat = await Repository.RunAsync("/usr/bin/stat", ["--format=%u", path]);
        return int.Parse(stat.Output, CultureInfo.InvariantCulture);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class Running(Process process)
    {
        private readonly StringBuilder _text = new();

        public Process Process => process;

        public string Text
        {
            get
            {
                lock (_text)
                {
                    return _text.ToString();
                }
            }
        }

        public async Task SaysAsync(string text)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            while (!Text.Contains(text, StringComparison.Ordinal))
            {
                process.HasExited.ShouldBeFalse(Text);
                await Task.Delay(20, limit.Token);
            }
        }

        public void Add(string? line)
        {
            lock (_text)
            {
                _text.AppendLine(line);
            }
        }
    }

    /// <summary>The published program, and the root file systems made with it.</summary>
    public sealed class Program : IAsyncLifetime
    {
        private const int CannotBeDone = 75;

        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-published-");
        private readonly Dictionary<string, string> _made = new(StringComparer.Ordinal);

        public static string Script => Path.Combine(Repository.Images, "rootfs.sh");

        public Task InitializeAsync() => Task.CompletedTask;

        public Task DisposeAsync()
        {
            _folder.Delete(recursive: true);
            return Task.CompletedTask;
        }

        public async Task<string> MakeAsync(string image)
        {
            Skip.IfNot(AppContext.BaseDirectory.Contains("/compat-cpu/"), "the CPU image is made of the program that is built for Debian's libtorch");
            if (_made.TryGetValue(image, out var root))
            {
                return root;
            }

            var program = Path.Combine(_folder.FullName, "linformer");
            if (!Directory.Exists(program))
            {
                // Built already: these tests refer to it.
                var published = await Repository.RunAsync("/bin/sh", [Path.Combine(Repository.Images, "publish.sh"), program, "compat", "cpu", "--no-build"], limit: MakeLimit);
                published.ExitCode.ShouldBe(0, published.Output + published.Error);
            }

            var made = await Repository.RunAsync(Script, ["make", image, program], limit: MakeLimit);
            Skip.If(made.ExitCode == CannotBeDone, made.Error);
            made.ExitCode.ShouldBe(0, made.Error);
            return _made[image] = made.Output.Trim();
        }
    }
}

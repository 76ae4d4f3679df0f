using System.Globalization;
using System.Runtime.InteropServices;
using Linformer.Cli.Views;
using Linformer.Worker.Machines;

namespace Linformer.Cli.Doctor.Machine;

/// <summary>What the operating system gives: runtime, cores, memory, limits, shared memory.</summary>
internal sealed class MachineCheck : IDoctorCheck
{
    private const int LeastRuntime = 10;
    private const long LeastMemory = 2_000_000_000;
    private const long LeastFiles = 4096;
    private const long LeastProcesses = 1024;
    private const long LeastSharedMemory = 64_000_000;
    private const string SharedMemory = "/dev/shm";

    /// <inheritdoc/>
    public string Subject => $"This machine ({Environment.MachineName})";

    /// <inheritdoc/>
    public string Name => "system";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        findings.Judge(
            Environment.Version.Major >= LeastRuntime, ".NET", $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}",
            Verdict.Problem, $"Install .NET {LeastRuntime} or newer.");
        findings.Judge(
            Environment.ProcessorCount > 1, "cores", Words.Count(Environment.ProcessorCount, "core"), Verdict.Warning,
            "Ranks, loading and communication share one core: training is slow. Give the machine, or its container, more.");
        findings.Ok(
            "bfloat16", Processor.OfThisMachine.Bfloat16
                ? "the processor multiplies matrices of bf16 in hardware"
                : "the processor has no hardware for matrices of bf16: precision: auto is fp32 on its slots");
        // Of the container, where it has a limit.
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        findings.Judge(memory >= LeastMemory, "memory", Words.Bytes(memory), Verdict.Warning, "A rank of a small model needs about 1 GB. Give the machine, or its container, more.");
        if (OperatingSystem.IsLinux())
        {
            CheckLimits(findings);
            CheckSharedMemory(findings);
        }

        return Task.CompletedTask;
    }

    private static void CheckLimits(Findings findings)
    {
        var limits = File.ReadAllLines("/proc/self/limits");
        var files = HardLimit(limits, "Max open files");
        findings.Judge(
            files >= LeastFiles, "open files", $"up to {Number(files)}", Verdict.Warning,
            $"A coordinator has a connection per worker and watcher, a rank one per other rank: allow {LeastFiles} or more (LimitNOFILE= of the service, ulimit -n).");
        var processes = HardLimit(limits, "Max processes");
        findings.Judge(
            processes >= LeastProcesses, "processes and threads", $"up to {Number(processes)}", Verdict.Warning,
            $"Each rank is a process with some 30 threads: allow {LeastProcesses} or more (TasksMax= of the service, ulimit -u).");
    }

    private static void CheckSharedMemory(Findings findings)
    {
        if (!Directory.Exists(SharedMemory))
        {
            findings.Warn("shared memory", $"there is no {SharedMemory}", "NCCL uses it between the GPUs of a machine: mount a tmpfs there.");
            return;
        }

        var free = new DriveInfo(SharedMemory).AvailableFreeSpace;
        findings.Judge(
            free >= LeastSharedMemory, "shared memory", $"{Words.Bytes(free)} free in {SharedMemory}", Verdict.Warning,
            "NCCL needs some of it for each GPU. In a container give it more: an emptyDir of medium Memory, or --shm-size.");
    }

    // "Max open files            1024                 524288               files"; the soft limit is raised to the hard one by .NET.
    private static long HardLimit(string[] limits, string name)
    {
        var line = Array.Find(limits, line => line.StartsWith(name, StringComparison.Ordinal));
        var columns = line?[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return columns is [_, var hard, ..] && long.TryParse(hard, CultureInfo.InvariantCulture, out var value) ? value : long.MaxValue;
    }

    private static string Number(long limit) => limit == long.MaxValue ? "any number" : $"{limit:#,0}";
}

/// <summary>libtorch and the library that multiplies for it.</summary>
internal sealed class TorchCheck : IDoctorCheck
{
    private const double LeastGigaflops = 5;

    /// <inheritdoc/>
    public string Subject => $"This machine ({Environment.MachineName})";

    /// <inheritdoc/>
    public string Name => "libtorch";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        TorchFacts facts;
        try
        {
            facts = await DoctorProbe.RunAsync<TorchFacts>("torch", cancellation);
        }
        catch (CommandException failure)
        {
            findings.Problem("libtorch", failure.Message, "Build again with ./linformer build, which installs what is missing, or use the image of the worker.");
            return;
        }

        findings.Judge(facts.Right, "libtorch", facts.Library ?? "loaded", Verdict.Problem, "It computes wrong products: reinstall it; if that does not help, the processor or its memory is broken.");
        var isReference = facts.Blas is { } blas && Path.GetFileName(blas).StartsWith("libblas", StringComparison.Ordinal);
        findings.Judge(
            !isReference && facts.Gigaflops >= LeastGigaflops, "matrix products", $"{facts.Gigaflops:0.0} GFLOP/s on a thread, by {facts.Blas ?? "libtorch itself"}", Verdict.Warning,
            isReference
                ? "That is the reference BLAS, which is not vectorised: install libopenblas0-pthread, many times as fast."
                : "That is little for a processor of today: is the machine busy, or throttled?");
    }
}

/// <summary>Gloo, over which ranks on CPUs talk.</summary>
internal sealed class GlooCheck : IDoctorCheck
{
    /// <inheritdoc/>
    public string Subject => $"This machine ({Environment.MachineName})";

    /// <inheritdoc/>
    public string Name => "Gloo";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        try
        {
            var facts = await DoctorProbe.RunAsync<GlooFacts>("gloo", cancellation);
            findings.Judge(facts.Right, "Gloo", $"two ranks met over loopback and added in {facts.Milliseconds:0} ms", Verdict.Problem, "The sum is wrong: build again with ./linformer build.");
        }
        catch (CommandException failure)
        {
            findings.Problem("Gloo", failure.Message, "Build again with ./linformer build; loopback must be up, and no firewall may be between its ports.");
        }
    }
}

/// <summary>NVIDIA's driver, CUDA runtime and NCCL. That there is no GPU is no mistake.</summary>
internal sealed class GpuCheck : IDoctorCheck
{
    /// <inheritdoc/>
    public string Subject => $"This machine ({Environment.MachineName})";

    /// <inheritdoc/>
    public string Name => "GPUs";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        GpuFacts facts;
        try
        {
            facts = await DoctorProbe.RunAsync<GpuFacts>("gpu", cancellation);
        }
        catch (CommandException failure)
        {
            findings.Problem("GPUs", failure.Message, "NVIDIA's libraries do not fit each other or the driver: look at what nvidia-smi says.");
            return;
        }

        if (facts.Driver is not { } driver)
        {
            if (File.Exists("/proc/driver/nvidia/version"))
                findings.Warn("GPUs", "the NVIDIA driver is loaded, but libnvidia-ml.so.1 is not here", "In a container: start it with NVIDIA's runtime. Else install the driver's libraries.");
            else
                findings.Ok("GPUs", "none: no NVIDIA driver");
            return;
        }

        if (driver.Error is { } error)
        {
            findings.Problem("GPUs", error, "The driver does not answer: look at what nvidia-smi and dmesg say; after an upgrade of the driver restart the machine.");
            return;
        }

        findings.Judge(
            facts.Gpus.Count > 0, "GPUs", $"{(facts.Gpus.Count == 0 ? "none" : string.Join(", ", facts.Gpus))}{(driver.Version is { Length: > 0 } version ? $"; driver {version}" : "")}", Verdict.Warning,
            "There is a driver without a GPU: does the container have any (nvidia.com/gpu)?");
        if (facts.Gpus.Count == 0)
            return;
        Library(findings, "CUDA runtime", facts.Runtime);
        Library(findings, "NCCL", facts.Nccl);
    }

    private static void Library(Findings findings, string name, GpuLibrary library) => findings.Judge(
        library.Error is null, name, library.Error ?? library.Version!, Verdict.Problem,
        $"Jobs with device: cuda need it: install it as docs/gpus.md says, or name another file ({(name == "NCCL" ? "LINFORMER_NCCL_LIBRARY" : "LINFORMER_CUDART_LIBRARY")}); ./linformer build --torch cuda brings what TorchSharp has.");
}

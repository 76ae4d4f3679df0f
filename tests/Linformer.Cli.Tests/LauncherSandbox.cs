using System.Diagnostics;

namespace Linformer.Cli.Tests;

/// <summary>
/// A copy of the launcher in a temporary folder, on a PATH that has only a few real tools and stand-ins for those that
/// would change the machine: apt-get, dpkg-query, sudo, dotnet and npm. The stand-ins note in a log how they were called.
/// </summary>
internal sealed class LauncherSandbox : IDisposable
{
    private static readonly string[] RealTools =
    [
        "awk", "bash", "basename", "cat", "chmod", "cp", "dirname", "env", "find", "flock", "grep", "kill", "mkdir", "mv", "nproc",
        "readlink", "rm", "sleep", "tail", "touch", "tr", "setpriv",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("linformer-launcher-").FullName;

    public LauncherSandbox()
    {
        Directory.CreateDirectory(Bin);
        Directory.CreateDirectory(Path.Combine(Root, "build", "launcher"));
        Directory.CreateDirectory(Path.Combine(Root, "build", "npm"));
        foreach (var folder in new[] { "src/Cli", "compat", "tests" })
            Directory.CreateDirectory(Path.Combine(Root, folder));
        foreach (var file in new[] { "a.props", "a.targets", "Linformer.sln", "src/Cli/Program.cs", "build/npm/package.json" })
            File.WriteAllText(Path.Combine(Root, file), "{}");

        var repository = RepositoryRoot();
        File.Copy(Path.Combine(repository, "linformer"), Path.Combine(Root, "linformer"));
        foreach (var script in Directory.GetFiles(Path.Combine(repository, "build", "launcher")))
            File.Copy(script, Path.Combine(Root, "build", "launcher", Path.GetFileName(script)));

        foreach (var tool in RealTools)
            File.CreateSymbolicLink(Path.Combine(Bin, tool), $"/usr/bin/{tool}");
        foreach (var tool in new[] { "g++", "cmake", "make", "node" })
            Tool(tool, "");
        Tool("npm", "");
        Tool("dpkg-query", "echo installed");
        Tool("apt-get", "");
        Tool(
            "dotnet",
            """
            case $1 in
              --list-sdks) echo "10.0.100 [/sdk]" ;;
              build)
                [[ ! -e $SANDBOX/build-fails ]] || { echo "Program.cs(1,1): error CS0000: broken"; exit 1; }
                sleep "${BUILD_SECONDS:-0}"
                [[ -z ${LEAVE_SERVER:-} ]] || { sleep 600 & echo $! >"$SANDBOX/server"; }
                cli=$SANDBOX/root/artifacts/${TREE:-compat-cpu}/bin/Linformer.Cli/release
                mkdir -p "$cli"
                printf '#!/bin/bash\nprintf "cli"; printf " <%%s>" "$@"; exit 7\n' >"$cli/Linformer.Cli"
                chmod +x "$cli/Linformer.Cli" ;;
            esac
            """);
    }

    public string Root => Path.Combine(_folder, "root");

    private string Bin => Path.Combine(_folder, "bin");

    /// <summary>How the stand-ins were called, in order.</summary>
    public string[] Calls => File.Exists(Log) ? File.ReadAllLines(Log) : [];

    private string Log => Path.Combine(_folder, "calls");

    public string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>Makes a stand-in; its calls are noted, then the script runs.</summary>
    public void Tool(string name, string script)
    {
        var file = Path.Combine(Bin, name);
        File.WriteAllText(file, $"#!/bin/bash\necho \"{name} $*\" >>\"$SANDBOX/calls\"\n{script}\n");
        File.SetUnixFileMode(file, File.GetUnixFileMode(file) | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    public void RemoveTool(string name) => File.Delete(Path.Combine(Bin, name));

    public Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments) => RunAsync([], arguments);

    public async Task<(int ExitCode, string Output, string Error)> RunAsync(
        Dictionary<string, string> environment, string[] arguments, bool asNobody = false)
    {
        string[] command = [Path.Combine(Root, "linformer"), .. arguments];
        if (asNobody && Environment.IsPrivilegedProcess)
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(_folder, "*", SearchOption.AllDirectories).Append(_folder))
            {
                if (File.ResolveLinkTarget(entry, false) is null)
                    File.SetUnixFileMode(entry, (UnixFileMode)0x1FF);
            }
            command = [Path.Combine(Bin, "setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "--", .. command];
        }
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment["PATH"] = Bin;
        start.Environment["SANDBOX"] = _folder;
        start.Environment.Remove("LINFORMER_SKIP_INSTALL");
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static string RepositoryRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Linformer.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests run outside of the repository.");
        return folder;
    }
}

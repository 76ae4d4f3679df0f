using System.Diagnostics;

namespace Deploy;

/// <summary>The files of the repository that these tests are about.</summary>
internal static class Repository
{
    public static readonly string Root = FindRoot();

    public static string Manifests => Path.Combine(Root, "deploy", "k8s");

    public static string Images => Path.Combine(Root, "deploy", "docker");

    public static string NpmModules => Path.Combine(Root, "artifacts", "npm", "node_modules");

    /// <summary>The file of a command on PATH; null if there is none.</summary>
    public static string? Find(string command) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Append("/usr/sbin")
        .Select(folder => Path.Combine(folder, command))
        .FirstOrDefault(File.Exists);

    /// <summary>Runs a command to its end.</summary>
    public static async Task<Ran> RunAsync(string command, IEnumerable<string> arguments, string? input = null, TimeSpan? limit = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(command, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Root,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var ending = new CancellationTokenSource(limit ?? TimeSpan.FromMinutes(1));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(ending.Token);
            var error = process.StandardError.ReadToEndAsync(ending.Token);
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync(ending.Token);
            return new Ran(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException late)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{command} {string.Join(' ', arguments)} did not end in time", late);
        }
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Linformer.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("These tests run from below the repository.");
        }

        return folder;
    }
}

internal sealed record Ran(int ExitCode, string Output, string Error);

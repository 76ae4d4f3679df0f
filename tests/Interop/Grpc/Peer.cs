using System.Diagnostics;

namespace Interop.Grpc;

/// <summary>Programs in other languages that speak gRPC.</summary>
internal static class Peer
{
    private const string Python = "/usr/bin/python3";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static Process StartNode(string script, params string[] arguments) => Start("node", script, arguments);

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(string Output, string Error)> RunAsync(string language, params string[] arguments)
    {
        using var process = language == "node" ? Start("node", "client.js", arguments) : Start(Python, "client.py", arguments);
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (await output, await error);
        }
        catch (OperationCanceledException e)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{language} {string.Join(' ', arguments)} has not ended within {Limit}.", e);
        }
    }

    private static Process Start(string program, string script, string[] arguments)
    {
        var start = new ProcessStartInfo(program)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Grpc", script));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment["NODE_PATH"] = FindNodeModules();
        start.Environment["PYTHONIOENCODING"] = "utf-8";
        return Process.Start(start)!;
    }

    private static string FindNodeModules()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Linformer.sln")))
            {
                var modules = Path.Combine(folder.FullName, "artifacts", "npm", "node_modules");
                Directory.Exists(Path.Combine(modules, "@grpc", "grpc-js")).ShouldBeTrue(
                    $"The npm package @grpc/grpc-js is missing in {modules}; `./linformer test` installs it");
                return modules;
            }
        }
        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} has Linformer.sln.");
    }
}

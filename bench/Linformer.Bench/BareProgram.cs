using System.Diagnostics;

namespace Linformer.Bench;

/// <summary>Builds bench/gloo-bare, below artifacts/.</summary>
internal static class BareProgram
{
    /// <summary>Builds what is not up to date; gives the program's path.</summary>
    /// <exception cref="InvalidOperationException">It cannot be built.</exception>
    public static string Build(TextWriter output)
    {
        var root = RepositoryRoot();
        var build = Path.Combine(root, "artifacts", "bench", "gloo-bare");
        var program = Path.Combine(build, "gloo-bare");
        if (!File.Exists(program))
        {
            output.WriteLine("building bench/gloo-bare …");
        }

        Run("cmake", "-S", Path.Combine(root, "bench", "gloo-bare"), "-B", build, "-DCMAKE_BUILD_TYPE=Release");
        Run("cmake", "--build", build);
        return program;
    }

    private static void Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} failed with {process.ExitCode}:\n{output}");
        }
    }

    private static string RepositoryRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Linformer.sln")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException(
            $"bench/gloo-bare is not found: {AppContext.BaseDirectory} is not inside the repository");
    }
}

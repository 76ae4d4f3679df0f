using System.Diagnostics;

namespace Linformer.Bench;

/// <summary>Builds the small C++ programs of bench/, below artifacts/.</summary>
internal static class BareProgram
{
    /// <summary>Builds what is not up to date; gives the program's path.</summary>
    /// <param name="name">Its folder in bench/, which is also its name.</param>
    /// <param name="output">Told when it takes a while.</param>
    /// <exception cref="InvalidOperationException">It cannot be built.</exception>
    public static string Build(string name, TextWriter output)
    {
        var root = Repository.Root();
        var build = Path.Combine(root, "artifacts", "bench", name);
        var program = Path.Combine(build, name);
        if (!File.Exists(program))
        {
            output.WriteLine($"building bench/{name} …");
        }

        Run("cmake", "-S", Path.Combine(root, "bench", name), "-B", build, "-DCMAKE_BUILD_TYPE=Release");
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
}

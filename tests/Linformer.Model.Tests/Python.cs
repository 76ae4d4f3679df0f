using System.Diagnostics;

namespace Linformer.Model.Tests;

/// <summary>Runs a script with Debian's own Python, the one that has PyTorch and NumPy.</summary>
internal static class Python
{
    private const string Interpreter = "/usr/bin/python3";

    public static string Run(string script, params string[] arguments)
    {
        File.Exists(Interpreter).ShouldBeTrue($"{Interpreter} is missing; `./linformer test` installs it");
        var start = new ProcessStartInfo(Interpreter) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(script);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.ShouldBe(0, errors.GetAwaiter().GetResult());
        return output;
    }
}

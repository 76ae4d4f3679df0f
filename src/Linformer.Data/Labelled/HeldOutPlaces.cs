using Linformer.Data.Corpora;
using Linformer.Data.Shards;

namespace Linformer.Data.Labelled;

/// <summary>Finds the lines of a corpus's files that held-out examples are from. Shards keep none, so the files are read again.</summary>
internal static class HeldOutPlaces
{
    /// <summary>Where a held-out example is, for people: its file, and the line if it has several. Without the files, its number.</summary>
    /// <param name="folder">The folder with the shards and their plan.</param>
    /// <param name="manifest">What it holds.</param>
    /// <param name="index">The example, from 0 on, of those that the held-out files have.</param>
    /// <param name="root">The storage root that the files lie under.</param>
    public static string Of(string folder, CorpusManifest manifest, long index, string root)
    {
        try
        {
            var plan = CorpusPlan.Load(folder, manifest.Fingerprint);
            var (file, offset) = Places(plan, manifest, root).Skip((int)index).First();
            return ExampleReader.PlaceOf(file, manifest.Examples!, offset);
        }
        catch (Exception e) when (e is BadDataException or IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // They may have been moved or changed since the shards were made.
            return $"example {index + 1} of corpus.heldOutFiles";
        }
    }

    private static IEnumerable<(CorpusFile File, long Offset)> Places(CorpusPlan plan, CorpusManifest manifest, string root) =>
        from segment in plan.Shards.Skip(manifest.FirstHeldOutShard!.Value).SelectMany(shard => shard)
        let file = plan.FileOf(segment, root)
        from placed in ExampleReader.ReadPlaced(file, manifest.Examples!, segment.Start, segment.End)
        select (file, placed.Offset);
}

using Linformer.Worker.Jobs;

namespace Linformer.Worker.Agents;

/// <summary>
/// The coordinator leaves an id in its storage root. A worker that does not find the same one in its own folder has another
/// storage, and every job would fail there.
/// </summary>
internal static class StorageId
{
    /// <summary>Compares the id of this machine's folder with the coordinator's.</summary>
    /// <param name="root">The storage root as it is mounted here.</param>
    /// <param name="expected">The coordinator's id; empty when it has none to compare with.</param>
    /// <param name="matchedBefore">Whether the ids were the same before: then one that cannot be found may come back.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="AgentRefusedException">The folder is not the coordinator's storage root.</exception>
    /// <exception cref="IOException">The storage cannot be read now.</exception>
    public static async Task CheckAsync(string root, string expected, bool matchedBefore, CancellationToken cancellationToken)
    {
        if (expected.Length == 0)
        {
            return;
        }

        var folder = Path.GetFullPath(root);
        string found;
        try
        {
            found = (await File.ReadAllTextAsync(Path.Combine(folder, StorageLayout.StorageIdName), cancellationToken)).Trim();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            var what = e is UnauthorizedAccessException ? "may not be read here" : "is not there";
            throw matchedBefore ? new IOException($"the storage root {folder} is away: its file {StorageLayout.StorageIdName} {what}", e) : Refusal(folder, what, e);
        }

        if (found.Length == 0 && matchedBefore)
        {
            throw new IOException($"the storage root {folder} is away: its file {StorageLayout.StorageIdName} is empty");
        }

        if (!string.Equals(found, expected, StringComparison.Ordinal))
        {
            throw Refusal(folder, $"has the id '{Cut.To(found, 40)}', and the coordinator's has '{Cut.To(expected, 40)}'", null);
        }
    }

    private static AgentRefusedException Refusal(string folder, string what, Exception? cause) => new(
        $"The folder {folder} of this worker is not the coordinator's storage root: its file {StorageLayout.StorageIdName} {what}. "
        + "Mount the storage that the coordinator uses, and start the worker with that folder as --data.",
        cause);
}

using Linformer.Model.Files;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>
/// Deletes a folder under the storage root with all that is in it. A link is deleted as a link, wherever it leads; nothing outside of the
/// root is ever touched.
/// </summary>
internal static class FolderDeletion
{
    /// <summary>Checks that a folder could be deleted: that no link on the way to it leads out of the root.</summary>
    /// <exception cref="PathEscapeException">One does.</exception>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public static void Check(string root, string relative) => PlaceOf(root, relative);

    /// <summary>Deletes a folder; one that is not there is fine.</summary>
    /// <param name="root">The storage root.</param>
    /// <param name="relative">The folder, relative to the root.</param>
    /// <param name="cancellationToken">Ends it between two files; called again, it goes on.</param>
    /// <returns>The bytes of the files that were deleted.</returns>
    /// <exception cref="PathEscapeException">A link on the way leads out of the root; nothing behind it is deleted.</exception>
    /// <exception cref="IOException">Something cannot be deleted.</exception>
    /// <exception cref="UnauthorizedAccessException">Something may not be deleted.</exception>
    public static long Delete(string root, string relative, CancellationToken cancellationToken) =>
        DeleteEntry(root, new FileInfo(PlaceOf(root, relative)), cancellationToken);

    // The last part is not followed: it is what is deleted.
    private static string PlaceOf(string root, string relative)
    {
        var slash = relative.LastIndexOf('/');
        return Path.Combine(ConfinedPath.Resolve(root, relative[..slash]), relative[(slash + 1)..]);
    }

    private static long DeleteEntry(string root, FileInfo entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (entry.LinkTarget is null && Directory.Exists(entry.FullName))
            return DeleteFolder(root, entry.FullName, cancellationToken);
        var bytes = entry is { LinkTarget: null, Exists: true } ? entry.Length : 0;
        try
        {
            // Also of a link that leads nowhere, which does not count as existing.
            File.Delete(entry.FullName);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else was faster.
        }
        return bytes;
    }

    private static long DeleteFolder(string root, string folder, CancellationToken cancellationToken)
    {
        // Again for each: whoever may write under the root may have put a link in the place of a folder meanwhile.
        var relative = Path.GetRelativePath(Path.GetFullPath(root), folder);
        if (ConfinedPath.Resolve(root, relative) != folder)
            throw new PathEscapeException($"{relative}: a symbolic link has taken the place of a folder on the way to it.");
        var bytes = 0L;
        foreach (var entry in Directory.GetFileSystemEntries(folder))
            bytes += DeleteEntry(root, new FileInfo(entry), cancellationToken);
        Directory.Delete(folder);
        return bytes;
    }
}

using Microsoft.Win32.SafeHandles;

namespace Linformer.Model.Files;

/// <summary>A path that must not be followed: it ends outside of its root, or is not one inside a root at all.</summary>
public sealed class PathEscapeException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Names the path, where it leads, and the root.</param>
    public PathEscapeException(string message)
        : base(message)
    {
    }
}

/// <summary>
/// Paths of users and of other machines, held inside a root folder with every symbolic link resolved. The root itself may be a
/// link, or lie behind one. Links inside the root may lead anywhere inside it.
/// </summary>
/// <remarks>
/// Whoever may change folders under the root can put a link in the place of a folder between the check and the use.
/// <see cref="OpenRead"/> therefore asks the system what was opened; a folder that files are later made in is not held open,
/// so there a moment remains.
/// </remarks>
public static class ConfinedPath
{
    // As many links as Linux follows.
    private const int MostLinks = 40;

    /// <summary>Where a path leads.</summary>
    /// <param name="root">The root, a folder that exists.</param>
    /// <param name="relative">A path relative to it, with slashes; its last parts need not exist.</param>
    /// <returns>
    /// The place, without links below the root: it begins with <paramref name="root"/> as it was given, made absolute.
    /// </returns>
    /// <exception cref="PathEscapeException">
    /// The path is absolute, has <c>..</c> or a zero character, or leads to the root itself or out of it; the message says where to.
    /// </exception>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public static string Resolve(string root, string relative)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(relative);
        if (Path.IsPathRooted(relative) || relative.Contains('\0', StringComparison.Ordinal) || relative.Split('/').Contains("..", StringComparer.Ordinal))
        {
            throw new PathEscapeException($"\"{relative}\" must be a path inside the storage root, without a leading slash and without \"..\"; the root is {root}.");
        }

        var fullRoot = Path.GetFullPath(root);
        var realRoot = Real(fullRoot);
        var real = Real(Path.Combine(fullRoot, relative));
        Require(realRoot, real, relative);
        return Path.Combine(fullRoot, Path.GetRelativePath(realRoot, real));
    }

    /// <summary>Opens a file for reading, and asks the system whether what was opened lies inside the root.</summary>
    /// <param name="root">The root, a folder that exists.</param>
    /// <param name="path">The file, anywhere; for instance what <see cref="Resolve"/> gave.</param>
    /// <param name="name">The file's name for messages.</param>
    /// <param name="options">How it is read.</param>
    /// <exception cref="PathEscapeException">The file lies outside of the root.</exception>
    /// <exception cref="IOException">It is missing or cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SafeFileHandle OpenRead(string root, string path, string name, FileOptions options = FileOptions.None)
    {
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, options);
        try
        {
            RequireOpenedInside(root, handle, name);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Asks the system whether an open file lies inside a root. Without <c>/proc</c> it cannot say, and nothing happens.</summary>
    /// <param name="root">The root.</param>
    /// <param name="handle">The open file.</param>
    /// <param name="name">The file's name for messages.</param>
    /// <exception cref="PathEscapeException">It does not.</exception>
    public static void RequireOpenedInside(string root, SafeFileHandle handle, string name)
    {
        ArgumentNullException.ThrowIfNull(handle);
        var opened = new FileInfo($"/proc/self/fd/{handle.DangerousGetHandle()}").LinkTarget;
        if (opened is not null && Path.IsPathRooted(opened))
        {
            Require(Real(Path.GetFullPath(root)), opened, name);
        }
    }

    private static void Require(string realRoot, string real, string name)
    {
        // With the slash, so that /data-evil is not inside /data.
        var inside = Path.EndsInDirectorySeparator(realRoot) ? realRoot : realRoot + Path.DirectorySeparatorChar;
        if (!real.StartsWith(inside, StringComparison.Ordinal))
        {
            throw new PathEscapeException(
                real == realRoot
                    ? $"{name}: is the storage root itself, {realRoot}; a path below it is needed."
                    : $"{name}: a symbolic link leads out of the storage root {realRoot}, to {real}.");
        }
    }

    // Component by component, as the system does it: ".." behind a link is the parent of where the link leads.
    private static string Real(string path)
    {
        var parts = new Stack<string>();
        Push(parts, path);
        var here = "/";
        var links = 0;
        while (parts.TryPop(out var part))
        {
            if (part == "..")
            {
                here = Path.GetDirectoryName(here) ?? "/";
                continue;
            }

            var next = Path.Combine(here, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                here = next;
                continue;
            }

            if (++links > MostLinks)
            {
                throw new IOException($"Too many symbolic links on the way, or links in a circle : '{path}'");
            }

            here = Path.IsPathRooted(target) ? "/" : here;
            Push(parts, target);
        }

        return here;
    }

    private static void Push(Stack<string> parts, string path)
    {
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
        {
            if (part != ".")
            {
                parts.Push(part);
            }
        }
    }
}

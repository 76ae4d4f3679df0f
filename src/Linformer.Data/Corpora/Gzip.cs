using System.IO.Compression;

namespace Linformer.Data.Corpora;

/// <summary>Opens gzip data such that a cut-off file is an error.</summary>
internal static class Gzip
{
    private static readonly bool IsStrict = ProbeStrictness();

    public static GZipStream Open(Stream source) => IsStrict
        ? new GZipStream(source, CompressionMode.Decompress)
        : throw new InvalidOperationException(
            "This process reads truncated gzip files without an error. Set System.IO.Compression.UseStrictValidation to true in its runtime configuration.");

    // The runtime reads its switch once, at the first use of compression in the process, which may have been elsewhere.
    private static bool ProbeStrictness()
    {
        AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);
        using var compressed = new MemoryStream();
        using (var writer = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            writer.Write("text"u8);
        }

        using var cutOff = new MemoryStream(compressed.ToArray(), 0, (int)compressed.Length - 1);
        try
        {
            using var reader = new GZipStream(cutOff, CompressionMode.Decompress);
            reader.CopyTo(Stream.Null);
            return false;
        }
        catch (InvalidDataException)
        {
            return true;
        }
    }
}

using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Linformer.Cli.Drawing;

/// <summary>Writes a picture in the format that the file's name asks for.</summary>
internal static class Picture
{
    /// <summary>Formats, by the ending of a file's name.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".png", ".svg"];

    /// <summary>What to tell the user of a picture in this format; null for nothing.</summary>
    /// <param name="path">The file.</param>
    public static string? Warning(string path) => !IsSvg(path) && SKFontManager.Default.FontFamilyCount == 0
        ? $"{path}: this machine has no fonts, so the picture has no letters. Install some (on Debian: fonts-dejavu-core), or write .svg."
        : null;

    /// <summary>Writes it. The file appears whole or not at all.</summary>
    /// <param name="path">The file, which is replaced if it exists; its name ends in one of <see cref="Endings"/>.</param>
    /// <param name="plot">The picture.</param>
    /// <param name="size">Its size in pixels.</param>
    /// <exception cref="CommandException">The file cannot be written.</exception>
    public static void Write(string path, PlotModel plot, (int Width, int Height) size)
    {
        using var drawn = new MemoryStream();
        if (IsSvg(path))
            new OxyPlot.SvgExporter { Width = size.Width, Height = size.Height }.Export(plot, drawn);
        else
            new PngExporter { Width = size.Width, Height = size.Height }.Export(plot, drawn);
        var temporary = $"{Path.GetFullPath(path)}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.WriteAllBytes(temporary, drawn.ToArray());
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(temporary);
            throw new CommandException($"{path}: the picture cannot be written: {e.Message}");
        }
    }

    private static bool IsSvg(string path) => path.EndsWith(".svg", StringComparison.OrdinalIgnoreCase);
}

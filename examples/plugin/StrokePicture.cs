using Linformer.Model;

namespace Strokes;

/// <summary>A picture of 8 × 8 pixels with one stroke: across, upright, rising or falling. There is noise all over it.</summary>
internal static class StrokePicture
{
    public const int Classes = 4;
    public const int Pixels = Side * Side;

    private const int Side = 8;

    /// <summary>Draws a picture. The same number gives the same picture, on whatever machine.</summary>
    /// <param name="random">The pictures' source.</param>
    /// <param name="number">Which picture.</param>
    /// <param name="noise">How much noise.</param>
    /// <param name="pixels">Gets the picture, row by row.</param>
    /// <returns>The class.</returns>
    public static long Draw(CounterRandom random, long number, double noise, Span<float> pixels)
    {
        var own = random.Derive((ulong)number);
        var label = (long)own.BelowAt(0, Classes);
        var place = (int)own.BelowAt(1, Side);
        for (var i = 0; i < Pixels; i++)
        {
            var (row, column) = (i / Side, i % Side);
            var isOn = label switch
            {
                0 => row == place,
                1 => column == place,
                2 => (row + column) % Side == place,
                _ => (row - column + Side) % Side == place,
            };
            pixels[i] = (float)((isOn ? 1 : 0) + (noise * own.NormalAt((ulong)(2 + i))));
        }

        return label;
    }
}

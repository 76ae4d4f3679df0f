namespace Linformer.Cli.Drawing;

/// <summary>An attention map to draw: one cell of the grid.</summary>
/// <param name="Layer">Its layer, from 1.</param>
/// <param name="Head">Its head, from 1.</param>
/// <param name="Weights">[length, columns], each row's sum is 1.</param>
internal sealed record DrawnMap(int Layer, int Head, double[,] Weights);

namespace Linformer.Model.Kernels;

/// <summary>One forward pass of an encoder over a batch in parts, all of which add to the same gradients on their way back.</summary>
/// <param name="parts">How many.</param>
/// <param name="layers">Layers of the encoder.</param>
internal sealed class FusedPass(int parts, int layers)
{
    private readonly int[] _left = [.. Enumerable.Repeat(parts, layers + 1)];

    /// <summary>Notes that a part has gone backward through a block.</summary>
    /// <param name="block">The layer's number, or the number of layers for the embeddings.</param>
    /// <returns>Whether it was the last part, so that the gradients of the block are complete.</returns>
    public bool Completes(int block) => --_left[block] == 0;
}

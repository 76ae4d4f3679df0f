using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Gradients on their way from a managed backward pass into the graph. TorchSharp hands over their addresses, and then holds the objects
/// no more: outside of a dispose scope, as on the threads that go backward for a GPU, the collector might free one before the graph has
/// taken it, and would leave the others, which look small to it, in the GPU's memory for long. So they are held and freed here.
/// </summary>
internal static class HandedOver
{
    [ThreadStatic]
    private static Tensor?[]? _last;

    /// <summary>What a backward pass returns.</summary>
    /// <param name="gradients">One for each argument of the forward pass, null for none. They belong to nobody else.</param>
    public static List<Tensor> List(params Tensor?[] gradients)
    {
        // The graph takes them before it runs anything else on this thread.
        Array.ForEach(_last ?? [], gradient => gradient?.Dispose());
        _last = gradients;
        return [.. gradients.Select(gradient => gradient!)];
    }
}

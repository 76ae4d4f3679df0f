using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Runs managed backward passes. An exception must not leave one: it would end the process. The gradient becomes NaN instead, which no step
/// survives, and the next forward pass tells.
/// </summary>
internal sealed class BackwardGuard
{
    private Exception? _failure;

    /// <summary>To be called where a forward pass begins.</summary>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public void ThrowIfFailed()
    {
        if (Interlocked.Exchange(ref _failure, null) is { } failure)
        {
            throw new InvalidOperationException($"The backward pass failed: {failure.Message}", failure);
        }
    }

    /// <summary>Runs a backward pass in a dispose scope of its own.</summary>
    /// <param name="inputs">What gets the gradients, for their shapes.</param>
    /// <param name="run">Gives a gradient, or null, for each of them.</param>
    public List<Tensor?> Run(IReadOnlyList<Tensor> inputs, Func<IReadOnlyList<Tensor?>> run)
    {
        try
        {
            using var scope = NewDisposeScope();
            var gradients = run();
            return [.. gradients.Select(gradient => gradient?.MoveToOuterDisposeScope())];
        }
        catch (Exception e)
        {
            _failure = e;
            return [.. inputs.Select(input => (Tensor?)full_like(input, double.NaN))];
        }
    }
}

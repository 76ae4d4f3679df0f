using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>What went wrong in a backward pass, until the next forward pass can tell.</summary>
internal sealed class BackwardFailure
{
    private Exception? _failure;

    /// <summary>
    /// Runs a backward pass. An exception must not leave it: it would end the process. The gradient becomes NaN instead,
    /// which no step survives, and the next forward pass tells.
    /// </summary>
    /// <param name="gradient">What the pass writes.</param>
    /// <param name="run">The pass.</param>
    public void Catch(Tensor gradient, Action run)
    {
        try
        {
            run();
        }
        catch (Exception e)
        {
            _failure = e;
            gradient.fill_(double.NaN);
        }
    }

    /// <summary>Tells of a failure, once.</summary>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public void ThrowIfAny()
    {
        if (Interlocked.Exchange(ref _failure, null) is { } failure)
        {
            throw new InvalidOperationException($"The backward pass failed: {failure.Message}", failure);
        }
    }
}

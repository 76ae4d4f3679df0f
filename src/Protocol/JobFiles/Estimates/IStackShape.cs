namespace Linformer.Protocol;

/// <summary>Counts of an encoder or a decoder for a micro-batch, without the table of the tokens' embeddings and what it says at its end.</summary>
internal interface IStackShape
{
    /// <summary>Trained numbers.</summary>
    Int128 Parameters { get; }

    /// <summary>Multiply-adds of matrix products in a forward pass; everything else is small beside them.</summary>
    double MultiplyAdds { get; }

    /// <summary>Numbers that the layers keep from their forward pass until the end of the backward pass.</summary>
    double KeptElements { get; }

    /// <summary>Numbers that are kept as long of what stands before the layers and behind them, in 32-bit floating point.</summary>
    double EndElements { get; }

    /// <summary>The most numbers that the backward pass has alive at once beside them: gradients of a layer.</summary>
    double GradientElements { get; }
}

namespace Linformer.Model;

/// <summary>How the projections E and F are shared (Wang et al. 2020, section 4, "Parameter sharing between projections").</summary>
public enum ProjectionSharing
{
    /// <summary>Each head of each layer has its own E and F.</summary>
    None,

    /// <summary>Each layer has one E and one F, shared by its heads.</summary>
    Headwise,

    /// <summary>Each layer has one matrix, shared by its heads and by keys and values (E = F).</summary>
    KeyValue,

    /// <summary>One matrix serves all layers, all heads, keys and values.</summary>
    Layerwise,
}

/// <summary>What takes keys and values from length n to k (Wang et al. 2020, section 4, "General projections").</summary>
public enum ProjectionKind
{
    /// <summary>A matrix of [k, n] that is learned (equation 7).</summary>
    Learned,

    /// <summary>A convolution over the positions, of kernel and stride n/k, that mixes the channels of a head, with a bias; as in tatp22/linformer-pytorch.</summary>
    Convolution,

    /// <summary>The mean of each window of n/k positions. It has no parameters.</summary>
    MeanPool,

    /// <summary>The greatest element of each window of n/k positions. It has no parameters.</summary>
    MaxPool,

    /// <summary>A matrix of [k, n] drawn from N(0, 1/k) and never trained: the random projection of theorem 2.</summary>
    Fixed,
}

/// <summary>What the attention costs in the length n of a sequence.</summary>
public enum AttentionKind
{
    /// <summary>Linformer's attention over k projected keys and values: O(n·k).</summary>
    Linear,

    /// <summary>Softmax attention over all n keys and values, for comparison: O(n²).</summary>
    Full,
}

/// <summary>Where the layer norms stand.</summary>
public enum Normalization
{
    /// <summary>Before each sub-layer, and once after the last layer.</summary>
    Pre,

    /// <summary>After each residual sum and after the embeddings, as in BERT and RoBERTa.</summary>
    Post,
}

/// <summary>The function between the two dense layers of a feed-forward layer.</summary>
public enum Activation
{
    /// <summary>x·Φ(x), exact (Hendrycks and Gimpel 2016), as in BERT.</summary>
    Gelu,

    /// <summary>max(x, 0), as in the first Transformer.</summary>
    Relu,
}

/// <summary>What tells a token's place.</summary>
public enum PositionKind
{
    /// <summary>A learned vector for each place, as in BERT.</summary>
    Learned,

    /// <summary>Sines and cosines of the place (Vaswani et al. 2017, section 3.5): no parameters.</summary>
    Sinusoidal,
}

/// <summary>What a forward pass in training computes anew in the backward pass rather than to keep it (Chen et al. 2016).</summary>
public enum Checkpointing
{
    /// <summary>Nothing: all is kept.</summary>
    None,

    /// <summary>The inside of each layer: only its input is kept. C1 of tatp22/linformer-pytorch.</summary>
    Layer,

    /// <summary>The inside of each head's attention: queries, keys and values are kept, the n·k maps are not. C2 of tatp22/linformer-pytorch.</summary>
    Head,
}

/// <summary>Whether, and how, a position is kept from seeing later ones.</summary>
public enum CausalKind
{
    /// <summary>Every position sees all.</summary>
    None,

    /// <summary>A position sees a window of those before it and summaries of finished segments: nothing later.</summary>
    Segments,

    /// <summary>The upper right of the n·k map is masked, as in tatp22/linformer-pytorch. What is later leaks through the projected keys; for that project's models only. An encoder may have it, too; with full attention the mask is that of a Transformer's decoder.</summary>
    MaskMap,
}

/// <summary>What a language model makes logits of hidden states with.</summary>
public enum HeadKind
{
    /// <summary>RoBERTa's: a dense layer, GELU and a norm, then the product with the token embeddings, and a bias.</summary>
    Transformed,

    /// <summary>One dense layer with a matrix of its own, as in lucidrains/linformer and tatp22/linformer-pytorch.</summary>
    Linear,
}

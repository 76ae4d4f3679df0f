namespace Linformer.Model;

/// <summary>How large the first weights and embeddings of a model are.</summary>
public enum InitialScale
{
    /// <summary>N(0, 0.02²), as in RoBERTa: right for a width of some hundreds.</summary>
    Roberta,

    /// <summary>
    /// Weights N(0, 1/inputs), so that every layer passes on numbers of the size that it is given, and token embeddings N(0, 1), of the
    /// size of sinusoidal positions. For narrow models without an output that is tied to the embeddings.
    /// </summary>
    FanIn,
}

namespace Linformer.Model;

/// <summary>What a network is for, and so what stands on its encoder.</summary>
public enum ModelKind
{
    /// <summary>RoBERTa's masked-LM head: <see cref="MaskedLanguageModel"/>.</summary>
    MaskedLanguage,

    /// <summary>Predicts each token from those before it.</summary>
    CausalLanguage,

    /// <summary>Predicts a class or a number of a whole sequence.</summary>
    Classification,

    /// <summary>An encoder and a decoder.</summary>
    SequenceToSequence,

    /// <summary>A decoder over given hidden states that sees all of its target: <see cref="Decoding.OpenDecoder"/>.</summary>
    OpenDecoder,

    /// <summary>An encoder and such a decoder: <see cref="Decoding.OpenSequenceToSequenceModel"/>.</summary>
    OpenSequenceToSequence,
}

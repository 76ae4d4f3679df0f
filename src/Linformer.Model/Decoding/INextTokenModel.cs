using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>What text can be generated from: it says of some sequences how likely each token is to come next.</summary>
public interface INextTokenModel
{
    /// <summary>Tokens in the vocabulary.</summary>
    int VocabularySize { get; }

    /// <summary>The longest sequence, in tokens.</summary>
    int MaximumLength { get; }

    /// <summary>Where token ids go.</summary>
    Device Device { get; }

    /// <summary>Begins some sequences.</summary>
    /// <returns>What is kept from token to token, which belongs to the caller.</returns>
    DecodingState Begin();

    /// <summary>Goes on by some tokens.</summary>
    /// <param name="ids">[sequences, tokens], int64; as many sequences in each call.</param>
    /// <param name="state">What was kept; the tokens are taken in.</param>
    /// <returns>Logits of the token after the last, [sequences, vocabulary].</returns>
    Tensor NextLogits(Tensor ids, DecodingState state);
}

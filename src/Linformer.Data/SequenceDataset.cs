using Linformer.Data.Shards;

namespace Linformer.Data;

/// <summary>
/// A prepared corpus as sequences of n tokens, in two parts that never share a token of text: one to train on, one held out.
/// </summary>
/// <remarks>
/// The held-out part is chosen by document, by a hash of its tokens, if at least 20 documents can be expected there and they
/// hold between half and twice the wanted share of the tokens; otherwise it is up to 64 stretches of neighbouring tokens,
/// spread evenly over the corpus. It does not depend on n.
/// </remarks>
public sealed class SequenceDataset : IDisposable
{
    private readonly TokenStream _stream;

    private SequenceDataset(TokenStream stream, CorpusManifest manifest, SequenceSet training, SequenceSet heldOut)
    {
        (_stream, Manifest, Training, HeldOut) = (stream, manifest, training, heldOut);
    }

    /// <summary>What the folder holds.</summary>
    public CorpusManifest Manifest { get; }

    /// <summary>The sequences to train on.</summary>
    public SequenceSet Training { get; }

    /// <summary>The held-out sequences.</summary>
    public SequenceSet HeldOut { get; }

    /// <summary>How often both parts have read tokens from the shards so far, and how many in all.</summary>
    public (long Reads, long Tokens) ReadSoFar => _stream.ReadSoFar;

    /// <summary>Opens a folder of shards. Memory: 16 bytes per document.</summary>
    /// <param name="folder">The folder with the shards and their manifest.</param>
    /// <param name="n">The sequence length, in tokens; at least 1.</param>
    /// <param name="heldOut">The share of the tokens to hold out, from 0 to 0.5.</param>
    /// <param name="separatorId">The token that goes between documents.</param>
    /// <returns>The dataset.</returns>
    /// <exception cref="BadDataException">
    /// An argument is out of range; or the manifest or a shard is missing, damaged or cut off. Sizes and counts are checked here;
    /// <see cref="CorpusManifest.Verify"/> also reads all of the content.
    /// </exception>
    public static SequenceDataset Open(string folder, int n, double heldOut, int separatorId)
    {
        if (n < 1)
        {
            throw new BadDataException($"A sequence length of {n} is not possible; it must be at least 1.");
        }

        if (heldOut is not (>= 0 and <= 0.5))
        {
            throw new BadDataException($"corpus.heldOut is {heldOut}; allowed is 0 to 0.5.");
        }

        var manifest = CorpusManifest.Load(folder);
        if (manifest.Examples is not null)
        {
            throw new BadDataException("corpus.examples is given, so the corpus consists of labelled examples; language models are trained on text. Use task: classification, or leave it out.");
        }

        if ((uint)separatorId >= (uint)manifest.VocabularySize)
        {
            throw new BadDataException($"The separator token {separatorId} is not in the vocabulary of {manifest.VocabularySize} tokens.");
        }

        var stream = new TokenStream(folder, manifest);
        try
        {
            var (ends, hashes) = stream.ReadDocuments();
            var (training, held) = HeldOutSplit.Divide(ends, hashes, heldOut);
            return new SequenceDataset(stream, manifest, new SequenceSet(stream, training, n, separatorId), new SequenceSet(stream, held, n, separatorId));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Closes the shards.</summary>
    public void Dispose() => _stream.Dispose();
}

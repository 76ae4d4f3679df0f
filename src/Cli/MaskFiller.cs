using Linformer.Data.Tokenizers;
using Linformer.Model;
using static TorchSharp.torch;

namespace Linformer.Cli;

/// <summary>A token that may stand at a mask.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Text">Its text, with the space before it if it has one.</param>
/// <param name="Probability">The model's probability.</param>
internal sealed record MaskCandidate(int Token, string Text, double Probability);

/// <summary>A mask of a text.</summary>
/// <param name="Before">The text before it.</param>
/// <param name="After">The text after it.</param>
/// <param name="Candidates">What may stand there, likeliest first.</param>
internal sealed record FilledMask(string Before, string After, IReadOnlyList<MaskCandidate> Candidates);

/// <summary>Predicts what stands at the masks of a text.</summary>
internal sealed class MaskFiller : IDisposable
{
    private const string MaskText = "<mask>";

    private readonly MaskedLanguageModel _model;
    private readonly ITokenizer _tokenizer;
    private readonly int _mask;

    private MaskFiller(MaskedLanguageModel model, ITokenizer tokenizer, int mask) =>
        (_model, _tokenizer, _mask) = (model, tokenizer, mask);

    /// <summary>Loads a model and its tokenizer.</summary>
    /// <param name="folder">The model's folder.</param>
    public static MaskFiller Load(string folder)
    {
        var model = ModelFolder.Load(folder);
        var tokenizer = TokenizerFile.Load(Path.Combine(folder, ModelFolder.TokenizerName));
        if (tokenizer.VocabularySize != model.Config.VocabularySize)
        {
            throw new CommandException($"{folder}: the tokenizer has {tokenizer.VocabularySize} tokens and the model {model.Config.VocabularySize}.");
        }

        return new MaskFiller(model, tokenizer, tokenizer.Special.Mask ?? throw new CommandException($"{folder}: the tokenizer has no {MaskText} token."));
    }

    /// <summary>The likeliest tokens at each mask.</summary>
    /// <param name="text">Text with one or more <c>&lt;mask&gt;</c>.</param>
    /// <param name="top">Tokens per mask.</param>
    /// <exception cref="CommandException">There is no mask, the text is longer than the model's n, or the model gives NaN or infinity.</exception>
    public IReadOnlyList<FilledMask> Fill(string text, int top)
    {
        var pieces = text.Split(MaskText);
        if (pieces.Length < 2)
        {
            throw new CommandException($"The text has no {MaskText}: write it where a word is to be guessed, as in \"The {MaskText} sailed.\"");
        }

        var ids = Encode(pieces, out var positions);
        if (ids.Count > _model.Config.SequenceLength)
        {
            throw new CommandException($"The text has {ids.Count} tokens; the model reads at most {_model.Config.SequenceLength}.");
        }

        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var logits = _model.LogitsAt(tensor(ids.ToArray(), [1, ids.Count]), null, tensor(positions.ToArray())); // [masks, vocabulary]
        if (!logits.isfinite().all().item<bool>())
        {
            throw new CommandException("The model gives NaN or infinity: its weights are damaged, or too large.");
        }

        var (values, indices) = logits.softmax(-1).topk(Math.Min(top, _tokenizer.VocabularySize), -1);      // [masks, top]
        return [.. positions.Select((_, mask) => new FilledMask(
            string.Join(MaskText, pieces[..(mask + 1)]),
            string.Join(MaskText, pieces[(mask + 1)..]),
            Candidates(values[mask].data<float>().ToArray(), indices[mask].data<long>().ToArray())))];
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    // A word brings the space before it into its token, so the mask stands for " word" and that space goes.
    private List<long> Encode(string[] pieces, out List<long> positions)
    {
        var ids = new List<long>();
        positions = [];
        for (var i = 0; i < pieces.Length; i++)
        {
            if (i > 0)
            {
                positions.Add(ids.Count);
                ids.Add(_mask);
            }

            var piece = i < pieces.Length - 1 ? pieces[i].TrimEnd(' ') : pieces[i];
            ids.AddRange(_tokenizer.Encode(piece).Select(id => (long)id));
        }

        return ids;
    }

    private List<MaskCandidate> Candidates(float[] probabilities, long[] tokens) =>
        [.. tokens.Zip(probabilities, (token, probability) =>
            new MaskCandidate((int)token, _tokenizer.DecodeText([(int)token], skipSpecial: false), probability))];
}

using Linformer.Model.Decoding;
using static TorchSharp.torch;

namespace Linformer.Model.Generation;

/// <summary>Generates sequences from a model, token by token from cached state. The result depends on model, prompts and options alone.</summary>
public static class SequenceGenerator
{
    /// <summary>Goes on from prompts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">Token ids of each prompt, at least one each; for a beam all of one length.</param>
    /// <param name="options">How.</param>
    /// <param name="generated">Is told of each token (the prompt's number, the token) as soon as it is chosen, the end token left out; not for a beam.</param>
    /// <param name="cancellation">Ends it between two tokens.</param>
    /// <returns>What was generated after each prompt.</returns>
    /// <exception cref="ArgumentException">An option, or a prompt, is not as it must be.</exception>
    /// <exception cref="ModelFormatException">The model gives NaN or infinity.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static IReadOnlyList<GeneratedSequence> Generate(
        INextTokenModel model,
        IReadOnlyList<IReadOnlyList<int>> prompts,
        GenerationOptions options,
        Action<int, int>? generated = null,
        CancellationToken cancellation = default)
    {
        options.Validate();
        CheckPrompts(model, prompts);
        if (prompts.Count == 0)
        {
            return [];
        }

        using var noGrad = no_grad();
        return options.Kind switch
        {
            DecodingKind.Beam => new BeamSearch(model, prompts, options).Run(cancellation),
            DecodingKind.Nucleus => new TokenByToken(model, prompts, options, new NucleusChoice(options).Choose, generated).Run(cancellation),
            _ => new TokenByToken(model, prompts, options, (logits, _, _) => GreedyChoice(logits), generated).Run(cancellation),
        };
    }

    /// <summary>Why a sequence of some length ends if no end token comes; null: it goes on.</summary>
    internal static GenerationEnd? EndOf(INextTokenModel model, GenerationOptions options, int prompt, int generated) =>
        generated >= options.MaximumTokens ? GenerationEnd.MaximumTokens
        : prompt + generated >= model.MaximumLength ? GenerationEnd.MaximumLength
        : null;

    /// <summary>Makes sure that logits are numbers, so that one token is likelier than another.</summary>
    /// <param name="logits">Of any shape.</param>
    /// <exception cref="ModelFormatException">One is NaN or infinite.</exception>
    internal static void CheckFinite(Tensor logits)
    {
        if (!logits.isfinite().all().item<bool>())
        {
            throw new ModelFormatException("The model gives NaN or infinity: its weights are damaged, or too large.");
        }
    }

    /// <summary>ln Σ exp of some logits.</summary>
    internal static double LogSum(ReadOnlySpan<float> logits)
    {
        var top = (double)logits[0];
        foreach (var logit in logits)
        {
            top = Math.Max(top, logit);
        }

        var sum = 0.0;
        foreach (var logit in logits)
        {
            sum += Math.Exp(logit - top);
        }

        return top + Math.Log(sum);
    }

    private static int GreedyChoice(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var token = 1; token < logits.Length; token++)
        {
            if (logits[token] > logits[best])
            {
                best = token;
            }
        }

        return best;
    }

    private static void CheckPrompts(INextTokenModel model, IReadOnlyList<IReadOnlyList<int>> prompts)
    {
        for (var i = 0; i < prompts.Count; i++)
        {
            if (prompts[i].Count == 0)
            {
                throw new ArgumentException($"Prompt {i + 1} has no tokens; at least one is needed to begin from.", nameof(prompts));
            }

            if (prompts[i].Count >= model.MaximumLength)
            {
                throw new ArgumentException($"Prompt {i + 1} has {prompts[i].Count} tokens; a sequence has at most {model.MaximumLength}, so there is no room to go on.", nameof(prompts));
            }

            if (prompts[i].Any(token => token < 0 || token >= model.VocabularySize))
            {
                throw new ArgumentException($"Prompt {i + 1} has token {prompts[i].First(token => token < 0 || token >= model.VocabularySize)}; the vocabulary goes from 0 to {model.VocabularySize - 1}.", nameof(prompts));
            }
        }
    }
}

using Linformer.Model.Decoding;
using static TorchSharp.torch;

namespace Linformer.Model.Generation;

/// <summary>Chooses the token that comes next.</summary>
/// <param name="logits">[vocabulary].</param>
/// <param name="sequence">The number of the sequence.</param>
/// <param name="place">The token's place in it, the prompt included.</param>
internal delegate int ChooseToken(ReadOnlySpan<float> logits, int sequence, int place);

/// <summary>
/// Generates sequences that do not depend on each other. Prompts of different lengths run together: a longer one's own tokens are fed while
/// a shorter one goes on already. What has ended takes no further part.
/// </summary>
internal sealed class TokenByToken(
    INextTokenModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions options, ChooseToken choose, Action<int, int>? generated)
{
    private readonly GeneratedSequence?[] _ended = new GeneratedSequence?[prompts.Count];
    private readonly List<int>[] _tokens = [.. prompts.Select(prompt => prompt.ToList())];
    private readonly double[] _logProbabilities = new double[prompts.Count];

    public IReadOnlyList<GeneratedSequence> Run(CancellationToken cancellation)
    {
        using var state = model.Begin();
        var active = Enumerable.Range(0, prompts.Count).ToArray();
        var (from, to) = (0, prompts.Min(prompt => prompt.Count));
        while (active.Length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var ids = active.SelectMany(sequence => _tokens[sequence].Skip(from).Take(to - from)).Select(token => (long)token).ToArray();
            var logits = model.NextLogits(tensor(ids, [active.Length, to - from], device: model.Device), state);
            SequenceGenerator.CheckFinite(logits);
            var numbers = logits.to_type(ScalarType.Float32).cpu().reshape(-1).data<float>().ToArray();
            for (var row = 0; row < active.Length; row++)
            {
                if (_tokens[active[row]].Count == to)
                {
                    Continue(active[row], numbers.AsSpan(row * model.VocabularySize, model.VocabularySize));
                }
            }

            active = WithoutEnded(active, state);
            (from, to) = (to, to + 1);
        }

        return _ended!;
    }

    private void Continue(int sequence, ReadOnlySpan<float> logits)
    {
        var tokens = _tokens[sequence];
        var token = choose(logits, sequence, tokens.Count);
        _logProbabilities[sequence] += logits[token] - SequenceGenerator.LogSum(logits);
        GenerationEnd? end = GenerationEnd.EndToken;
        if (token != options.EndToken)
        {
            tokens.Add(token);
            generated?.Invoke(sequence, token);
            end = SequenceGenerator.EndOf(model, options, prompts[sequence].Count, tokens.Count - prompts[sequence].Count);
        }

        if (end is { } reason)
        {
            _ended[sequence] = new GeneratedSequence([.. tokens.Skip(prompts[sequence].Count)], _logProbabilities[sequence], reason);
        }
    }

    private int[] WithoutEnded(int[] active, DecodingState state)
    {
        var rows = Enumerable.Range(0, active.Length).Where(row => _ended[active[row]] is null).ToArray();
        if (rows.Length < active.Length && rows.Length > 0)
        {
            state.Reorder(tensor([.. rows.Select(row => (long)row)], device: model.Device));
        }

        return [.. rows.Select(row => active[row])];
    }
}

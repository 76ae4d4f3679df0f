using Linformer.Model.Decoding;
using static TorchSharp.torch;

namespace Linformer.Model.Generation;

/// <summary>
/// Beam search for several prompts at once. A prompt is done when no sequence of its beam can become better than its best finished one, so
/// a beam as wide as all sequences finds the best of all.
/// </summary>
internal sealed class BeamSearch
{
    private readonly INextTokenModel _model;
    private readonly GenerationOptions _options;
    private readonly int _promptLength;
    private readonly int _longest;
    private readonly long[] _firstIds;
    private readonly Beam[] _beams;

    public BeamSearch(INextTokenModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions options)
    {
        (_model, _options) = (model, options);
        _promptLength = prompts[0].Count;
        if (prompts.FirstOrDefault(prompt => prompt.Count != _promptLength) is { } other)
        {
            throw new ArgumentException($"Prompts have {_promptLength} and {other.Count} tokens; the prompts of a beam search must have as many each.", nameof(prompts));
        }

        _longest = Math.Min(options.MaximumTokens, model.MaximumLength - _promptLength);
        _firstIds = [.. prompts.SelectMany(prompt => prompt).Select(token => (long)token)];
        _beams = [.. prompts.Select((_, row) => new Beam { Alive = [new Hypothesis([], 0, row)] })];
    }

    public IReadOnlyList<GeneratedSequence> Run(CancellationToken cancellation)
    {
        using var state = _model.Begin();
        var (ids, width) = (_firstIds, _promptLength);
        while (ids.Length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var logits = _model.NextLogits(tensor(ids, [ids.Length / width, width], device: _model.Device), state);
            SequenceGenerator.CheckFinite(logits);
            Extend(logits.to_type(ScalarType.Float64).log_softmax(-1));
            var alive = _beams.SelectMany(beam => beam.Alive).ToArray();
            if (alive.Length == 0)
            {
                break;
            }

            state.Reorder(tensor([.. alive.Select(hypothesis => (long)hypothesis.Row)], device: _model.Device));
            (ids, width) = ([.. alive.Select(hypothesis => (long)hypothesis.Tokens[^1])], 1);
            var row = 0;
            foreach (var beam in _beams)
            {
                beam.Alive = [.. beam.Alive.Select(hypothesis => hypothesis with { Row = row++ })];
            }
        }

        return [.. _beams.Select(beam => beam.Best!)];
    }

    // Each beam by one token. With the end token there is one candidate too many for every sequence that ends.
    private void Extend(Tensor logProbabilities)
    {
        var candidates = Math.Min(2 * _options.Beams, _model.VocabularySize);
        var (values, indexes) = logProbabilities.topk(candidates, -1); // [rows, candidates]
        var (scores, tokens) = (values.cpu().reshape(-1).data<double>().ToArray(), indexes.cpu().reshape(-1).data<long>().ToArray());
        foreach (var beam in _beams)
        {
            var extended = beam.Alive
                .SelectMany(hypothesis => Enumerable.Range(hypothesis.Row * candidates, candidates)
                    .Select(at => (Hypothesis: hypothesis, Token: (int)tokens[at], Sum: hypothesis.LogProbability + scores[at])))
                .OrderByDescending(candidate => candidate.Sum).ThenBy(candidate => candidate.Hypothesis.Row).ThenBy(candidate => candidate.Token)
                .Take(2 * _options.Beams);
            var alive = new List<Hypothesis>();
            foreach (var (hypothesis, token, sum) in extended)
            {
                if (token == _options.EndToken)
                {
                    Finish(beam, new GeneratedSequence(hypothesis.Tokens, sum, GenerationEnd.EndToken), hypothesis.Tokens.Length + 1);
                }
                else if (alive.Count < _options.Beams)
                {
                    alive.Add(new Hypothesis([.. hypothesis.Tokens, token], sum, hypothesis.Row));
                }
            }

            beam.Alive = StillWorthIt(beam, alive);
        }
    }

    private Hypothesis[] StillWorthIt(Beam beam, List<Hypothesis> alive)
    {
        if (alive.Count > 0 && SequenceGenerator.EndOf(_model, _options, _promptLength, alive[0].Tokens.Length) is { } end)
        {
            foreach (var hypothesis in alive)
            {
                Finish(beam, new GeneratedSequence(hypothesis.Tokens, hypothesis.LogProbability, end), hypothesis.Tokens.Length);
            }

            return [];
        }

        // A log-probability only falls, and what it is divided by is greatest for the longest sequence.
        return [.. alive.Where(hypothesis => beam.Best is null || Score(hypothesis.LogProbability, _longest) > beam.BestScore)];
    }

    private void Finish(Beam beam, GeneratedSequence sequence, int length)
    {
        var score = Score(sequence.LogProbability, length);
        if (beam.Best is null || score > beam.BestScore)
        {
            (beam.Best, beam.BestScore) = (sequence, score);
        }
    }

    private double Score(double logProbability, int length) => logProbability / Math.Pow((5 + length) / 6.0, _options.LengthPenalty);

    private sealed record Hypothesis(int[] Tokens, double LogProbability, int Row);

    private sealed class Beam
    {
        public required Hypothesis[] Alive { get; set; }

        public GeneratedSequence? Best { get; set; }

        public double BestScore { get; set; }
    }
}

using Linformer.Model.Decoding;
using Linformer.Model.Generation;
using Linformer.Model.Tests.Decoding;
using TorchSharp;

namespace Linformer.Model.Tests.Generation;

/// <summary>Generation against the whole sequence computed anew for each token, and against all sequences that there are.</summary>
public sealed class SequenceGeneratorTests : IDisposable
{
    private static readonly int[][] Prompts = [[3], [1, 2, 4, 0, 5, 3, 2], [4, 4, 1]];

    private readonly CausalLanguageModel _model = DecoderVariants.Causal(Config());

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Greedy_takes_the_likeliest_token_of_the_whole_sequence_computed_anew()
    {
        var told = Prompts.Select(_ => new List<int>()).ToArray();
        var results = SequenceGenerator.Generate(_model, Prompts, new GenerationOptions { MaximumTokens = 30 }, (prompt, token) => told[prompt].Add(token));
        for (var i = 0; i < Prompts.Length; i++)
        {
            var (expected, logProbability) = GreedyAnew(Prompts[i], 30, end: null);
            results[i].Tokens.ShouldBe(expected);
            told[i].ShouldBe(expected);
            results[i].LogProbability.ShouldBe(logProbability, 1e-4);
            results[i].End.ShouldBe(GenerationEnd.MaximumTokens);
        }
    }

    [Fact]
    public void The_end_token_ends_one_sequence_and_the_others_go_on_as_they_would()
    {
        var free = SequenceGenerator.Generate(_model, Prompts, new GenerationOptions { MaximumTokens = 12 });
        var end = free[1].Tokens[3];
        var results = SequenceGenerator.Generate(_model, Prompts, new GenerationOptions { MaximumTokens = 12, EndToken = end });
        for (var i = 0; i < Prompts.Length; i++)
        {
            var (expected, logProbability) = GreedyAnew(Prompts[i], 12, end);
            results[i].Tokens.ShouldBe(expected);
            results[i].LogProbability.ShouldBe(logProbability, 1e-4);
            results[i].End.ShouldBe(expected.Count < 12 ? GenerationEnd.EndToken : GenerationEnd.MaximumTokens);
        }

        results.ShouldContain(result => result.End == GenerationEnd.EndToken);
    }

    [Theory]
    [InlineData(DecodingKind.Greedy)]
    [InlineData(DecodingKind.Beam)]
    [InlineData(DecodingKind.Nucleus)]
    public void A_model_that_gives_NaN_is_an_error_and_no_text(DecodingKind kind)
    {
        using (torch.no_grad())
        {
            foreach (var parameter in _model.parameters())
            {
                parameter.fill_(float.NaN);
            }
        }

        Should.Throw<ModelFormatException>(() => SequenceGenerator.Generate(_model, [[3]], new GenerationOptions { Kind = kind, MaximumTokens = 3 }))
            .Message.ShouldContain("NaN");
    }

    [Fact]
    public void A_sequence_ends_at_the_length_of_the_model()
    {
        foreach (var kind in Enum.GetValues<DecodingKind>())
        {
            var result = SequenceGenerator.Generate(_model, [Prompts[2]], new GenerationOptions { Kind = kind, MaximumTokens = 1000 })[0];
            result.Tokens.Count.ShouldBe(_model.MaximumLength - 3);
            result.End.ShouldBe(GenerationEnd.MaximumLength);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.6)]
    [InlineData(2)]
    public void A_beam_as_wide_as_all_sequences_finds_the_best_of_all(double penalty)
    {
        const int Longest = 4;
        const int End = 2;
        int[][] prompts = [[1, 3], [0, 5], [4, 4]];
        var options = new GenerationOptions { Kind = DecodingKind.Beam, Beams = 1000, LengthPenalty = penalty, MaximumTokens = Longest, EndToken = End };
        var results = SequenceGenerator.Generate(_model, prompts, options);
        for (var i = 0; i < prompts.Length; i++)
        {
            var best = AllSequences(prompts[i], Longest, End).MaxBy(sequence => sequence.LogProbability / Math.Pow((5 + sequence.Length) / 6.0, penalty));
            results[i].Tokens.ShouldBe(best.Tokens);
            results[i].LogProbability.ShouldBe(best.LogProbability, 1e-6);
        }
    }

    [Fact]
    public void A_wider_beam_is_never_less_likely_than_the_greedy_sequence_of_its_length()
    {
        var options = new GenerationOptions { MaximumTokens = 12, LengthPenalty = 0 };
        foreach (var prompt in Prompts)
        {
            var greedy = SequenceGenerator.Generate(_model, [prompt], options)[0];
            var beam = SequenceGenerator.Generate(_model, [prompt], options with { Kind = DecodingKind.Beam, Beams = 20 })[0];
            beam.LogProbability.ShouldBeGreaterThanOrEqualTo(greedy.LogProbability - 1e-4);
            beam.LogProbability.ShouldBe(LogProbabilityAnew(prompt, beam.Tokens), 1e-6);
        }
    }

    [Fact]
    public void A_nucleus_is_drawn_from_in_proportion_and_nothing_outside_of_it_ever()
    {
        const int Draws = 2000;
        var options = new GenerationOptions { Kind = DecodingKind.Nucleus, MaximumTokens = 1, TopP = 0.8, Temperature = 1.5 };
        var counts = new int[_model.VocabularySize];
        for (var seed = 0; seed < Draws; seed++)
        {
            counts[SequenceGenerator.Generate(_model, [Prompts[1]], options with { Seed = seed })[0].Tokens[0]]++;
        }

        var probabilities = Next(Prompts[1]).Select(logit => Math.Exp(logit / 1.5)).ToArray();
        var total = probabilities.Sum();
        var kept = new Dictionary<int, double>();
        foreach (var token in Enumerable.Range(0, probabilities.Length).OrderByDescending(token => probabilities[token]))
        {
            if (kept.Values.Sum() >= 0.8 * total)
            {
                break;
            }

            kept[token] = probabilities[token];
        }

        kept.Count.ShouldBeInRange(2, probabilities.Length - 1);
        for (var token = 0; token < counts.Length; token++)
        {
            var expected = kept.GetValueOrDefault(token) / kept.Values.Sum();
            var deviation = Math.Sqrt(Draws * expected * (1 - expected));
            ((double)counts[token]).ShouldBe(Draws * expected, (5 * deviation) + 0.5, $"token {token}");
        }
    }

    [Fact]
    public void The_same_seed_draws_the_same_whatever_else_is_generated_and_another_seed_does_not()
    {
        var options = new GenerationOptions { Kind = DecodingKind.Nucleus, MaximumTokens = 25, TopP = 1, Seed = 5 };
        var together = SequenceGenerator.Generate(_model, Prompts, options);
        SequenceGenerator.Generate(_model, Prompts, options).Select(result => result.Tokens).ShouldBe(together.Select(result => result.Tokens));
        SequenceGenerator.Generate(_model, [Prompts[0]], options)[0].Tokens.ShouldBe(together[0].Tokens);
        SequenceGenerator.Generate(_model, Prompts, options with { Seed = 6 })[0].Tokens.ShouldNotBe(together[0].Tokens);
        SequenceGenerator.Generate(_model, Prompts, options with { TopP = 1e-9 }).Select(result => result.Tokens)
            .ShouldBe(SequenceGenerator.Generate(_model, Prompts, options with { Kind = DecodingKind.Greedy }).Select(result => result.Tokens));
    }

    [Fact]
    public void A_translation_is_generated_for_each_source()
    {
        var config = Config();
        using var model = DecoderVariants.SequenceToSequence(config);
        using var scope = torch.NewDisposeScope();
        using var source = DecoderVariants.Ids(config, 3, 9, seed: 4);
        using var read = model.Read(source, null);
        int[][] begin = [[0], [0], [0]];
        foreach (var options in new[] { new GenerationOptions { MaximumTokens = 9, EndToken = 1 }, new GenerationOptions { MaximumTokens = 9, EndToken = 1, Kind = DecodingKind.Beam, Beams = 3 } })
        {
            var together = SequenceGenerator.Generate(read, begin, options);
            for (var i = 0; i < 3; i++)
            {
                using var one = model.Read(source.narrow(0, i, 1), null);
                SequenceGenerator.Generate(one, [[0]], options)[0].Tokens.ShouldBe(together[i].Tokens);
            }
        }
    }

    [Fact]
    public void It_can_be_ended_between_two_tokens()
    {
        foreach (var kind in Enum.GetValues<DecodingKind>())
        {
            using var cancellation = new CancellationTokenSource();
            var count = 0;
            void Count(int prompt, int token)
            {
                if (++count == 3)
                {
                    cancellation.Cancel();
                }
            }

            if (kind == DecodingKind.Beam)
            {
                cancellation.Cancel();
            }

            Should.Throw<OperationCanceledException>(
                () => SequenceGenerator.Generate(_model, [Prompts[0]], new GenerationOptions { Kind = kind }, Count, cancellation.Token));
            count.ShouldBe(kind == DecodingKind.Beam ? 0 : 3);
        }
    }

    [Fact]
    public void What_makes_no_sense_is_named()
    {
        Message(new GenerationOptions { TopP = 0 }).ShouldContain("TopP is 0");
        Message(new GenerationOptions { Temperature = 0 }).ShouldContain("choose greedy");
        Message(new GenerationOptions { Beams = 0 }).ShouldContain("Beams is 0");
        Message(new GenerationOptions { MaximumTokens = 0 }).ShouldContain("MaximumTokens is 0");
        Message(new GenerationOptions { LengthPenalty = -1 }).ShouldContain("LengthPenalty is -1");
        Message(new GenerationOptions(), Array.Empty<int>()).ShouldContain("Prompt 1 has no tokens");
        Message(new GenerationOptions(), [6]).ShouldContain("Prompt 1 has token 6; the vocabulary goes from 0 to 5");
        Message(new GenerationOptions(), new int[40]).ShouldContain("Prompt 1 has 40 tokens; a sequence has at most 40");
        Message(new GenerationOptions { Kind = DecodingKind.Beam }, [1, 2], [3]).ShouldContain("Prompts have 2 and 1 tokens");
        SequenceGenerator.Generate(_model, [], new GenerationOptions()).ShouldBeEmpty();
    }

    private static LinformerConfig Config() => DecoderVariants.Config() with { VocabularySize = 6 };

    private string Message(GenerationOptions options, params int[][] prompts) =>
        Should.Throw<ArgumentException>(() => SequenceGenerator.Generate(_model, prompts.Length == 0 ? Prompts : prompts, options)).Message;

    private double[] Next(IEnumerable<int> tokens)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var ids = tokens.Select(token => (long)token).ToArray();
        var logits = _model.call(torch.tensor(ids, [1, ids.Length]), null);
        return logits[0].select(0, ids.Length - 1).log_softmax(-1).data<double>().ToArray();
    }

    private double LogProbabilityAnew(int[] prompt, IEnumerable<int> generated)
    {
        var tokens = prompt.ToList();
        var sum = 0.0;
        foreach (var token in generated)
        {
            sum += Next(tokens)[token];
            tokens.Add(token);
        }

        return sum;
    }

    private (List<int> Tokens, double LogProbability) GreedyAnew(int[] prompt, int longest, int? end)
    {
        var generated = new List<int>();
        var sum = 0.0;
        while (generated.Count < longest)
        {
            var next = Next([.. prompt, .. generated]);
            var token = Array.IndexOf(next, next.Max());
            sum += next[token];
            if (token == end)
            {
                break;
            }

            generated.Add(token);
        }

        return (generated, sum);
    }

    private IEnumerable<(int[] Tokens, double LogProbability, int Length)> AllSequences(int[] prompt, int longest, int end)
    {
        var open = new List<(int[] Tokens, double LogProbability)> { ([], 0) };
        for (var length = 1; length <= longest; length++)
        {
            var longer = new List<(int[] Tokens, double LogProbability)>();
            foreach (var (tokens, sum) in open)
            {
                var next = Next([.. prompt, .. tokens]);
                for (var token = 0; token < next.Length; token++)
                {
                    if (token == end)
                    {
                        yield return (tokens, sum + next[token], length);
                    }
                    else if (length == longest)
                    {
                        yield return ([.. tokens, token], sum + next[token], length);
                    }
                    else
                    {
                        longer.Add(([.. tokens, token], sum + next[token]));
                    }
                }
            }

            open = longer;
        }
    }
}

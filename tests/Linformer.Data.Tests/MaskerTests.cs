namespace Linformer.Data.Tests;

public class MaskerTests
{
    private const int Length = 512;

    private static readonly int Size = SomeTokenizer.Make().VocabularySize;
    private static readonly Masker Masker1 = Make(seed: 1);

    [Fact]
    public void Chooses_and_replaces_at_the_given_rates()
    {
        var (chosen, masked, kept, random, real) = (0, 0, 0, 0, 0);
        var at = new int[Length];
        for (var sample = 0; sample < 2000; sample++)
        {
            var tokens = Tokens(sample);
            var result = Run(Masker1, sample, tokens, Length);
            real += tokens.Count(token => token > 4);
            chosen += result.Positions.Length;
            for (var i = 0; i < result.Positions.Length; i++)
            {
                var (position, input) = (result.Positions[i], result.Inputs[result.Positions[i]]);
                at[position]++;
                tokens[position].ShouldBe(result.Targets[i]);
                masked += input == 4 ? 1 : 0;
                kept += input == result.Targets[i] ? 1 : 0;
                random += input != 4 && input != result.Targets[i] ? 1 : 0;
                input.ShouldBeGreaterThan(3);
            }

            // What was not chosen is as it was.
            Enumerable.Range(0, Length).Except(result.Positions).ShouldAllBe(i => result.Inputs[i] == tokens[i]);
            result.Positions.ShouldBeInOrder();
        }

        // About a million tokens, 150,000 chosen: five standard deviations are below these bounds.
        ((double)chosen / real).ShouldBe(0.15, 0.002);
        ((double)masked / chosen).ShouldBe(0.8, 0.006);
        ((double)kept / chosen).ShouldBe(0.1, 0.005);
        ((double)random / chosen).ShouldBe(0.1, 0.005);
        at.Skip(1).SkipLast(1).ShouldAllBe(count => count > 210 && count < 390); // 300 expected at each place, deviation 16
    }

    [Fact]
    public void Random_tokens_come_from_the_whole_vocabulary_but_for_special_ones()
    {
        var seen = new int[Size];
        var tokens = Enumerable.Repeat(100, Length).ToArray();
        for (var sample = 0; sample < 3000; sample++)
        {
            foreach (var input in Run(Masker1, sample, tokens, Length).Inputs)
            {
                seen[input]++;
            }
        }

        seen[..4].ShouldAllBe(count => count == 0);
        seen[4].ShouldBeGreaterThan(100_000);
        seen[5..100].ShouldAllBe(count => count > 10 && count < 90); // 46 expected
    }

    [Fact]
    public void Special_tokens_and_padding_are_never_chosen()
    {
        var everything = Make(seed: 1, probability: 1);
        var tokens = Tokens(7);
        (tokens[50], tokens[51], tokens[52]) = (2, 3, 4);
        var result = Run(everything, 0, tokens, count: 300);
        result.Positions.ShouldBe(Enumerable.Range(1, 299).Except([50, 51, 52]));
        result.Inputs[300..].ShouldBe(tokens[300..]);
        Run(everything, 0, tokens, count: 0).Positions.ShouldBeEmpty();
        Run(everything, 0, [0, 2, 1, 1], count: 4).Positions.ShouldBeEmpty();
    }

    [Fact]
    public void The_choice_depends_on_seed_and_sample_alone()
    {
        var tokens = Tokens(1);
        var result = Run(Masker1, 5, tokens, Length);
        var again = Run(Make(seed: 1), 5, tokens, Length);
        again.Positions.ShouldBe(result.Positions);
        again.Inputs.ShouldBe(result.Inputs);
        Run(Masker1, 6, tokens, Length).Positions.ShouldNotBe(result.Positions);
        Run(Make(seed: 2), 5, tokens, Length).Positions.ShouldNotBe(result.Positions);

        // Not on what else is in the sequence: other tokens, other places further on.
        var other = Tokens(2);
        Run(Masker1, 5, other[..200], 200).Positions.ShouldBe(result.Positions.Where(position => position < 199).Where(position => other[position] > 4));
    }

    [Fact]
    public void Evaluation_masks_alike_for_every_seed()
    {
        var tokens = Tokens(1);
        var one = Run(Masker1, 5, tokens, Length, evaluation: true);
        var two = Run(Make(seed: 2), 5, tokens, Length, evaluation: true);
        two.Positions.ShouldBe(one.Positions);
        two.Inputs.ShouldBe(one.Inputs);
        one.Positions.Length.ShouldBeInRange(30, 130);
        Run(Masker1, 6, tokens, Length, evaluation: true).Positions.ShouldNotBe(one.Positions);
        Run(Make(seed: 0), 5, tokens, Length).Positions.ShouldNotBe(one.Positions);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_probability_out_of_range_is_named(double probability) =>
        Should.Throw<BadDataException>(() => Make(1, probability)).Message.ShouldContain($"training.maskProbability is {probability}");

    [Fact]
    public void A_tokenizer_without_a_mask_is_an_error()
    {
        using var folder = new TestFolder();
        SomeTokenizer.Make().Save(folder.At("tokenizer.json"));
        folder.Write("tokenizer.json", File.ReadAllText(folder.At("tokenizer.json")).Replace("<mask>", "<other>", StringComparison.Ordinal));
        var tokenizer = Linformer.Data.Tokenizers.ByteBpeTokenizer.Load(folder.At("tokenizer.json"));
        Should.Throw<BadDataException>(() => new Masker(1, tokenizer.VocabularySize, tokenizer.Special)).Message.ShouldContain("no <mask> token");
    }

    [Fact]
    public void Too_little_room_is_an_error()
    {
        var tokens = Tokens(1);
        Should.Throw<ArgumentException>(() => Masker1.Mask(0, tokens, Length + 1, new int[Length], new int[Length], new int[Length]));
        Should.Throw<ArgumentException>(() => Masker1.Mask(0, tokens, Length, new int[Length - 1], new int[Length], new int[Length]));
        Should.Throw<ArgumentException>(() => Masker1.Mask(0, tokens, Length, new int[Length], new int[Length - 1], new int[Length]));
        Should.Throw<ArgumentException>(() => Masker1.Mask(0, tokens, Length, new int[Length], new int[Length], new int[Length - 1]));
    }

    private static Masker Make(long seed, double probability = Masker.DefaultProbability) => new(seed, Size, SomeTokenizer.Make().Special, probability);

    private static int[] Tokens(int seed)
    {
        var random = new Random(seed);
        return [0, .. Enumerable.Range(0, Length - 2).Select(_ => random.Next(5, Size)), 2];
    }

    private static (int[] Inputs, int[] Positions, int[] Targets) Run(Masker masker, long sample, int[] tokens, int count, bool evaluation = false)
    {
        var (inputs, positions, targets) = (new int[tokens.Length], new int[tokens.Length], new int[tokens.Length]);
        var chosen = evaluation
            ? masker.MaskForEvaluation(sample, tokens, count, inputs, positions, targets)
            : masker.Mask(sample, tokens, count, inputs, positions, targets);
        return (inputs, positions[..chosen], targets[..chosen]);
    }
}

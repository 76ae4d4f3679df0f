using Linformer.Training.Measures;

namespace Linformer.Training.Tests.Measures;

/// <summary>Against values from the documentation of scikit-learn, SciPy and NLTK, or worked out by hand.</summary>
public class MeasureTests
{
    [Fact]
    public void Accuracy_and_f1_are_those_of_scikit_learns_examples()
    {
        // f1_score: y_true = [0, 1, 2, 0, 1, 2], y_pred = [0, 2, 1, 0, 0, 1]: macro 0.26..., micro 0.33..., each [0.8, 0, 0].
        var matrix = Matrix(3, [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]);
        matrix.MacroF1.ShouldBe(0.8 / 3, 1e-12);
        matrix.MicroF1.ShouldBe(2 / 6.0, 1e-12);
        matrix.Accuracy.ShouldBe(2 / 6.0, 1e-12);
        Enumerable.Range(0, 3).Select(matrix.F1).ShouldBe([0.8, 0, 0], 1e-12);
    }

    [Fact]
    public void Matthews_is_that_of_scikit_learns_example_and_of_its_formula_for_two_classes()
    {
        // matthews_corrcoef: y_true = [+1, +1, +1, -1], y_pred = [+1, -1, +1, +1]: -0.33...
        Matrix(2, [1, 1, 1, 0], [1, 0, 1, 1]).Matthews.ShouldBe(-1 / 3.0, 1e-12);
        // (TP·TN - FP·FN) / √(…) with TN 50, FP 10, FN 5, TP 35.
        var expected = ((35.0 * 50) - (10 * 5)) / Math.Sqrt((35.0 + 10) * (35 + 5) * (50 + 10) * (50 + 5));
        new ConfusionMatrix(2, [50, 10, 5, 35]).Matthews.ShouldBe(expected, 1e-12);
        new ConfusionMatrix(2, [50, 0, 10, 0]).Matthews.ShouldBe(0);
        new ConfusionMatrix(3, [3, 0, 0, 0, 4, 0, 0, 0, 5]).Matthews.ShouldBe(1, 1e-12);
    }

    [Fact]
    public void Classes_that_never_occur_do_not_count_in_the_mean_of_f1() =>
        Matrix(4, [0, 1, 0], [0, 1, 1]).MacroF1.ShouldBe(2 / 3.0, 1e-12);

    [Fact]
    public void Spearman_is_that_of_scipys_example_with_ties()
    {
        // spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]): 0.8207826816681233
        Correlation.Spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).ShouldBe(0.8207826816681233, 1e-12);
        Correlation.Ranks([3, 1, 3, 2, 3]).ShouldBe([4, 1, 4, 2, 4]);
    }

    [Fact]
    public void Pearson_is_that_of_scipys_example()
    {
        // pearsonr([1, 2, 3, 4, 5, 6, 7], [10, 9, 2.5, 6, 4, 3, 2]): -0.828503883588428
        Correlation.Pearson([1, 2, 3, 4, 5, 6, 7], [10, 9, 2.5, 6, 4, 3, 2]).ShouldBe(-0.828503883588428, 1e-12);
        double.IsNaN(Correlation.Pearson([1, 1, 1], [1, 2, 3])).ShouldBeTrue();
        double.IsNaN(Correlation.Spearman([1, double.NaN], [1, 2])).ShouldBeTrue();
        Should.Throw<ArgumentException>(() => Correlation.Pearson([1], [1, 2]));
    }

    [Fact]
    public void Bleu_is_that_of_nltks_example_of_a_corpus()
    {
        // nltk.translate.bleu_score.corpus_bleu: 0.5920...
        string[][] Of(params string[] sentences) => [.. sentences.Select(sentence => sentence.Split(' '))];
        var first = "It is a guide to action which ensures that the military always obeys the commands of the party".Split(' ');
        var firstReferences = Of(
            "It is a guide to action that ensures that the military will forever heed Party commands",
            "It is the guiding principle which guarantees the military forces always being under the command of the Party",
            "It is the practical guide for the army always to heed the directions of the party");
        var second = "he read the book because he was interested in world history".Split(' ');
        var secondReferences = Of("he was interested in world history because he read the book");

        var counts = new double[Bleu.Counts];
        Bleu.Add(first, firstReferences, counts);
        Bleu.Add(second, secondReferences, counts);
        Bleu.Of(counts).ShouldBe(59.20, 0.01);

        // Parts add up.
        var (one, other) = (new double[Bleu.Counts], new double[Bleu.Counts]);
        Bleu.Add(first, firstReferences, one);
        Bleu.Add(second, secondReferences, other);
        one.Zip(other, (a, b) => a + b).ShouldBe(counts);
    }

    [Fact]
    public void Bleu_counts_no_word_more_often_than_the_reference_has_it_and_punishes_brevity()
    {
        // Papineni's example: the the the the the the the, of which two are in a reference.
        var counts = new double[Bleu.Counts];
        Bleu.Add([1, 1, 1, 1, 1, 1, 1], [[1, 2, 3, 4, 1, 5]], counts);
        (counts[0], counts[4]).ShouldBe((2, 7));
        Bleu.Of(counts).ShouldBe(0);

        var brief = new double[Bleu.Counts];
        Bleu.Add([1, 2, 3, 4, 5], [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]], brief);
        Bleu.Of(brief).ShouldBe(100 * Math.Exp(1 - (10 / 5.0)), 1e-9);
    }

    [Fact]
    public void Bleu_over_the_words_of_13a_is_what_sacrebleu_publishes_for_its_example()
    {
        // Of sacrebleu's own tests: 48.530827 with 13a, 49.1919566 with words as they stand between spaces.
        string[] translations = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."];
        string[][] references =
        [
            ["The dog bit the man.", "It was not unexpected.", "The man bit him first."],
            ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."],
        ];
        Score(translations, references, BleuWords.Of).ShouldBe(48.530827, 1e-6);
        Score(translations, references, text => text.Split(' ')).ShouldBe(49.1919566, 1e-6);
        Score(["", "", ""], references, BleuWords.Of).ShouldBe(0);

        // Of a second implementation, in Python.
        Score(
            ["On 3-4 May 1,250 people, mostly farmers, paid $7.50 each; the rest did not.", "He said: \"it is 10% off, isn't it?\""],
            [["On 3-4 May, 1,250 people (mostly farmers) paid $7.50 each; the rest didn't.", "He said: \"it's 10% off, isn't it?\""]],
            BleuWords.Of).ShouldBe(59.105224610712035, 1e-9);
    }

    // The expected words are of a second implementation, in Python, without regular expressions.
    [Theory]
    [InlineData("Hello, world!", "Hello , world !")]
    [InlineData("It's 3,141.59 or .5, e.g. 7-8 (well-known).", "It's 3,141.59 or . 5 , e . g . 7 - 8 ( well-known ) .")]
    [InlineData("a/b & \"c\" &quot;d&quot; &lt;e&gt; f&amp;g", "a / b & \" c \" \" d \" < e > f & g")]
    [InlineData("<skipped>new-\nline\nhere", "newline here")]
    [InlineData("$5.00, 10%; x_y^z~{k}", "$ 5.00 , 10 % ; x _ y ^ z ~ { k }")]
    [InlineData("1,000,000. End...", "1,000,000 . End . . .")]
    [InlineData("no.1 1.a 2,b 3-4-5 -6", "no . 1 1 . a 2 , b 3 - 4 - 5 -6")]
    [InlineData("„Größe“ – 2,5 m; naïve…", "„Größe“ – 2,5 m ; naïve…")]
    [InlineData("   ", "")]
    [InlineData("", "")]
    public void Bleu_is_counted_over_the_words_of_mteval(string text, string words) =>
        string.Join(' ', BleuWords.Of(text)).ShouldBe(words);

    private static double Score(string[] translations, string[][] references, Func<string, string[]> words)
    {
        var counts = new double[Bleu.Counts];
        for (var i = 0; i < translations.Length; i++)
        {
            Bleu.Add(words(translations[i]), [.. references.Select(reference => words(reference[i]))], counts);
        }

        return Bleu.Of(counts);
    }

    private static ConfusionMatrix Matrix(int classes, int[] truth, int[] told)
    {
        var counts = new double[classes * classes];
        foreach (var (is0, as0) in truth.Zip(told))
        {
            counts[(is0 * classes) + as0]++;
        }

        return new ConfusionMatrix(classes, counts);
    }
}

namespace Linformer.Training.Measures;

/// <summary>The names under which measures on held-out data are told.</summary>
public static class MeasureNames
{
    /// <summary>Mean held-out loss. It is told by itself, and can be asked for like a measure.</summary>
    public const string Loss = "loss";

    /// <summary>Share of the examples that were taken for what they are.</summary>
    public const string Accuracy = "accuracy";

    /// <summary>F1 of the second of two classes.</summary>
    public const string F1 = "f1";

    /// <summary>Mean of the F1 of all classes.</summary>
    public const string MacroF1 = "macro-f1";

    /// <summary>F1 of the sums over all classes.</summary>
    public const string MicroF1 = "micro-f1";

    /// <summary>Matthews' correlation coefficient.</summary>
    public const string Matthews = "matthews";

    /// <summary>Pearson's r of predicted and true numbers.</summary>
    public const string Pearson = "pearson";

    /// <summary>Spearman's rho of predicted and true numbers.</summary>
    public const string Spearman = "spearman";

    /// <summary>Corpus BLEU-4, from 0 to 100.</summary>
    public const string Bleu = "bleu";

    /// <summary>Whether more of a measure is better.</summary>
    /// <param name="name">Its name.</param>
    public static bool HigherIsBetter(string name) => name != Loss;

    /// <summary>Measures of a confusion matrix, by name.</summary>
    /// <param name="matrix">The matrix.</param>
    public static IReadOnlyDictionary<string, double> Of(ConfusionMatrix matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        var measures = new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            [Accuracy] = matrix.Accuracy,
            [MacroF1] = matrix.MacroF1,
            [MicroF1] = matrix.MicroF1,
            [Matthews] = matrix.Matthews,
        };
        if (matrix.Classes == 2)
        {
            measures[F1] = matrix.F1(1);
        }

        return measures;
    }

    /// <summary>Measures of predicted numbers, by name.</summary>
    /// <param name="predicted">What was predicted.</param>
    /// <param name="truth">What is so, equally many.</param>
    /// <exception cref="ArgumentException">They are not equally many.</exception>
    public static IReadOnlyDictionary<string, double> Of(ReadOnlySpan<double> predicted, ReadOnlySpan<double> truth) =>
        new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            [Pearson] = Correlation.Pearson(predicted, truth),
            [Spearman] = Correlation.Spearman(predicted, truth),
        };
}

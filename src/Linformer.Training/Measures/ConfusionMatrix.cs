namespace Linformer.Training.Measures;

/// <summary>How often examples of each class were taken for each class. Matrices of parts of the data add up to that of the whole.</summary>
public sealed class ConfusionMatrix
{
    private readonly double[] _counts;

    /// <summary>Takes counts.</summary>
    /// <param name="classes">Classes, C, at least 1.</param>
    /// <param name="counts">[C · C]: the count of examples of class i that were taken for class j is at i·C + j.</param>
    /// <exception cref="ArgumentException">There are not so many counts.</exception>
    public ConfusionMatrix(int classes, ReadOnlySpan<double> counts)
    {
        if (classes < 1 || counts.Length != (long)classes * classes)
        {
            throw new ArgumentException($"{counts.Length} counts are no matrix of {classes} classes, which has {(long)classes * classes}.", nameof(counts));
        }

        (Classes, _counts) = (classes, counts.ToArray());
    }

    /// <summary>Classes, C.</summary>
    public int Classes { get; }

    /// <summary>All examples.</summary>
    public double Total => _counts.Sum();

    /// <summary>Share of the examples that were taken for what they are; NaN without examples.</summary>
    public double Accuracy => Correct / Total;

    /// <summary>
    /// Harmonic mean of precision and recall of one class: 2·TP / (2·TP + FP + FN); 0 for a class that neither is nor was told, as
    /// scikit-learn has it.
    /// </summary>
    /// <param name="number">The class.</param>
    public double F1(int number)
    {
        var truePositive = this[number, number];
        var both = Truth(number) + Told(number);
        return both > 0 ? 2 * truePositive / both : 0;
    }

    /// <summary>The mean of the F1 of all classes that occur or were told.</summary>
    public double MacroF1
    {
        get
        {
            var present = Enumerable.Range(0, Classes).Where(i => Truth(i) + Told(i) > 0).ToList();
            return present.Count > 0 ? present.Average(F1) : double.NaN;
        }
    }

    /// <summary>F1 of the sums of true and false positives over all classes; where each example has one class, that is the accuracy.</summary>
    public double MicroF1 => Accuracy;

    /// <summary>
    /// Matthews' correlation coefficient; of more than two classes Gorodkin's R_K. 0 where all examples are of one class or were taken for one.
    /// </summary>
    public double Matthews
    {
        get
        {
            var (total, correct) = (Total, Correct);
            double both = 0, truths = 0, tolds = 0;
            for (var i = 0; i < Classes; i++)
            {
                var (truth, told) = (Truth(i), Told(i));
                both += truth * told;
                truths += truth * truth;
                tolds += told * told;
            }

            var norm = Math.Sqrt(((total * total) - tolds) * ((total * total) - truths));
            return norm > 0 ? ((correct * total) - both) / norm : 0;
        }
    }

    private double Correct => Enumerable.Range(0, Classes).Sum(i => this[i, i]);

    private double this[int truth, int told] => _counts[(truth * Classes) + told];

    private double Truth(int number) => Enumerable.Range(0, Classes).Sum(told => this[number, told]);

    private double Told(int number) => Enumerable.Range(0, Classes).Sum(truth => this[truth, number]);
}

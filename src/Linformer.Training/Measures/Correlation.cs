namespace Linformer.Training.Measures;

/// <summary>How much two series of numbers go together.</summary>
public static class Correlation
{
    /// <summary>Pearson's r: the covariance over the product of the deviations.</summary>
    /// <param name="x">One series.</param>
    /// <param name="y">The other, equally long.</param>
    /// <returns>From -1 to 1; NaN where a series is constant, has fewer than two numbers, or one that is not finite.</returns>
    /// <exception cref="ArgumentException">The series are not equally long.</exception>
    public static double Pearson(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        CheckLengths(x, y);
        var (meanX, meanY) = (Mean(x), Mean(y));
        double xx = 0, yy = 0, xy = 0;
        for (var i = 0; i < x.Length; i++)
        {
            var (dx, dy) = (x[i] - meanX, y[i] - meanY);
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }

        return xx > 0 && yy > 0 ? Math.Clamp(xy / (Math.Sqrt(xx) * Math.Sqrt(yy)), -1, 1) : double.NaN;
    }

    /// <summary>Spearman's rho: Pearson's r of the ranks, where equal numbers share the mean of their ranks.</summary>
    /// <param name="x">One series.</param>
    /// <param name="y">The other, equally long.</param>
    /// <returns>From -1 to 1; NaN where a series is constant, has fewer than two numbers, or one that is not a number.</returns>
    /// <exception cref="ArgumentException">The series are not equally long.</exception>
    public static double Spearman(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        CheckLengths(x, y);
        return x.Contains(double.NaN) || y.Contains(double.NaN) ? double.NaN : Pearson(Ranks(x), Ranks(y));
    }

    /// <summary>The ranks of numbers, from 1 on; equal numbers share the mean of their ranks.</summary>
    /// <param name="numbers">The numbers.</param>
    public static double[] Ranks(ReadOnlySpan<double> numbers)
    {
        var sorted = numbers.ToArray();
        var order = Enumerable.Range(0, sorted.Length).ToArray();
        Array.Sort(sorted, order);
        var ranks = new double[sorted.Length];
        for (var start = 0; start < sorted.Length;)
        {
            var end = start + 1;
            while (end < sorted.Length && sorted[end] == sorted[start])
            {
                end++;
            }

            for (var i = start; i < end; i++)
            {
                ranks[order[i]] = (start + 1 + end) / 2.0;
            }

            start = end;
        }

        return ranks;
    }

    private static double Mean(ReadOnlySpan<double> numbers)
    {
        var sum = 0.0;
        foreach (var number in numbers)
        {
            sum += number;
        }

        return sum / numbers.Length;
    }

    private static void CheckLengths(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        if (x.Length != y.Length)
        {
            throw new ArgumentException($"The series have {x.Length} and {y.Length} numbers; they must be equally long.", nameof(y));
        }
    }
}

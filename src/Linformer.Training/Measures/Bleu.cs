namespace Linformer.Training.Measures;

/// <summary>
/// Corpus BLEU-4 (Papineni et al. 2002): the geometric mean of the clipped precisions of 1 to 4 tokens, over the whole corpus, times the
/// penalty for brevity. The counts of parts of a corpus add up to those of the whole.
/// </summary>
public static class Bleu
{
    /// <summary>The longest run of tokens that is counted.</summary>
    public const int Order = 4;

    /// <summary>Numbers that are counted: matches and runs of each length, tokens of the translations and of the references.</summary>
    public const int Counts = (2 * Order) + 2;

    private const int Translated = 2 * Order;
    private const int Referred = Translated + 1;

    /// <summary>Adds a sentence to the counts.</summary>
    /// <typeparam name="T">A token: a word, or its number.</typeparam>
    /// <param name="translation">The translation's tokens.</param>
    /// <param name="references">The tokens of one or more references.</param>
    /// <param name="counts">[<see cref="Counts"/>]: added to.</param>
    /// <exception cref="ArgumentException">There is no reference, or not so many counts.</exception>
    public static void Add<T>(IReadOnlyList<T> translation, IReadOnlyList<IReadOnlyList<T>> references, Span<double> counts)
        where T : IEquatable<T>
    {
        ArgumentNullException.ThrowIfNull(translation);
        ArgumentNullException.ThrowIfNull(references);
        if (references.Count == 0 || counts.Length != Counts)
        {
            throw new ArgumentException($"There are {references.Count} references and {counts.Length} counts; at least one reference and {Counts} counts are needed.", nameof(references));
        }

        for (var n = 1; n <= Order; n++)
        {
            var told = Runs(translation, n);
            var most = new Dictionary<Run<T>, int>();
            foreach (var reference in references)
            {
                foreach (var (run, count) in Runs(reference, n))
                {
                    most[run] = Math.Max(count, most.GetValueOrDefault(run));
                }
            }

            counts[n - 1] += told.Sum(run => Math.Min(run.Value, most.GetValueOrDefault(run.Key)));
            counts[Order + n - 1] += Math.Max(0, translation.Count - n + 1);
        }

        counts[Translated] += translation.Count;
        // The closest length; of two that are equally close, the shorter.
        counts[Referred] += references.Select(reference => reference.Count).MinBy(length => (Math.Abs(length - translation.Count), length));
    }

    /// <summary>The score of the counts.</summary>
    /// <param name="counts">[<see cref="Counts"/>]: what <see cref="Add"/> has added.</param>
    /// <returns>From 0 to 100; 0 where no run of some length matches.</returns>
    /// <exception cref="ArgumentException">There are not so many counts.</exception>
    public static double Of(ReadOnlySpan<double> counts)
    {
        if (counts.Length != Counts)
        {
            throw new ArgumentException($"There are {counts.Length} counts; {Counts} are needed.", nameof(counts));
        }

        var logarithms = 0.0;
        for (var n = 0; n < Order; n++)
        {
            if (counts[n] == 0)
            {
                return 0;
            }

            logarithms += Math.Log(counts[n] / counts[Order + n]);
        }

        var brevity = counts[Translated] >= counts[Referred] ? 0 : 1 - (counts[Referred] / counts[Translated]);
        return 100 * Math.Exp(brevity + (logarithms / Order));
    }

    private static Dictionary<Run<T>, int> Runs<T>(IReadOnlyList<T> tokens, int n)
        where T : IEquatable<T>
    {
        var runs = new Dictionary<Run<T>, int>();
        for (var start = 0; start + n <= tokens.Count; start++)
        {
            var run = new Run<T>(tokens, start, n);
            runs[run] = runs.GetValueOrDefault(run) + 1;
        }

        return runs;
    }

    private readonly struct Run<T>(IReadOnlyList<T> tokens, int start, int length) : IEquatable<Run<T>>
        where T : IEquatable<T>
    {
        public bool Equals(Run<T> other)
        {
            for (var i = 0; i < length; i++)
            {
                if (!At(i).Equals(other.At(i)))
                {
                    return false;
                }
            }

            return true;
        }

        public override bool Equals(object? obj) => obj is Run<T> other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            for (var i = 0; i < length; i++)
            {
                hash.Add(At(i));
            }

            return hash.ToHashCode();
        }

        private T At(int i) => tokens[start + i];
    }
}

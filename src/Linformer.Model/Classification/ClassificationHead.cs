using System.Collections.Immutable;

namespace Linformer.Model.Classification;

/// <summary>Which hidden states a text's class is told from.</summary>
public enum Pooling
{
    /// <summary>That of the first token, <c>&lt;s&gt;</c>, as in BERT and RoBERTa.</summary>
    First,

    /// <summary>The mean over all tokens that are not padding.</summary>
    Mean,
}

/// <summary>What stands on the encoder of a classification model.</summary>
public sealed record ClassificationHead
{
    /// <summary>The most classes of a model.</summary>
    public const int MostClasses = 10_000;

    /// <summary>The classes' names in the order of the outputs; empty for regression, which has one output, the number itself.</summary>
    public required ImmutableArray<string> Classes { get; init; }

    /// <summary>What the head sees of the text.</summary>
    public Pooling Pooling { get; init; } = Pooling.First;

    /// <summary>Probability of dropping an element before each of the head's products; the encoder's where it is null.</summary>
    public double? Dropout { get; init; }

    /// <summary>Whether the output is a number rather than scores of classes.</summary>
    public bool IsRegression => Classes.IsEmpty;

    /// <summary>Outputs of the model: a score for each class, or the number.</summary>
    public int Outputs => IsRegression ? 1 : Classes.Length;

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">Names what is wrong and what is allowed.</exception>
    public void Validate()
    {
        if (Classes.IsDefault || Classes.Length is 1 or > MostClasses)
        {
            throw new ArgumentException($"A classification model has {(Classes.IsDefault ? "no list of classes" : $"{Classes.Length} classes")}; allowed are 2 to {MostClasses}, or none for regression.");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        if (Classes.FirstOrDefault(name => string.IsNullOrEmpty(name) || !names.Add(name)) is { } wrong)
        {
            throw new ArgumentException(wrong.Length == 0 ? "A class has an empty name." : $"The class \"{wrong}\" is there twice.");
        }

        if (!Enum.IsDefined(Pooling))
        {
            throw new ArgumentException($"{nameof(Pooling)} is {Pooling}; allowed are first and mean.");
        }

        if (Dropout is not (null or (>= 0 and < 1)))
        {
            throw new ArgumentException($"The head's {nameof(Dropout)} is {Dropout}; it must be at least 0 and below 1.");
        }
    }
}

using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model.Classification;

/// <summary>The classification head of one model as the beginning of that of another.</summary>
public static class HeadWeights
{
    private const string OutputPrefix = ClassificationModel.HeadPrefix + "output.";
    private const int ShownClasses = 20;

    /// <summary>
    /// Reads the parameters of the other model's head, if it tells the same classes from the same pooling; in whatever order it has them, each
    /// class keeps its weights.
    /// </summary>
    /// <param name="path">The file of the other model's parameters.</param>
    /// <param name="source">The other model's head.</param>
    /// <param name="model">The model, of the same hidden size, whose head is overwritten.</param>
    /// <returns>Why the head stays as it is, a sentence; null if it was read.</returns>
    /// <exception cref="ModelFormatException">The file's head has other shapes than its description.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static string? LoadOrWhyNot(string path, ClassificationHead source, ClassificationModel model)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(model);
        if (WhyNot(source, model.Head) is { } reason)
        {
            return $"The head of the model of initializeFrom was left out and starts anew: {reason}.";
        }

        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var file = SafeTensorsFile.Open(path);
        var places = model.Head.Classes.Select(name => (long)source.Classes.IndexOf(name)).ToArray();
        foreach (var (name, parameter) in model.named_parameters().Where(p => p.name.StartsWith(ClassificationModel.HeadPrefix, StringComparison.Ordinal)))
        {
            Weights.ReadInto(file, name, parameter);
            if (places.Length > 0 && name.StartsWith(OutputPrefix, StringComparison.Ordinal))
            {
                parameter.copy_(parameter.index_select(0, tensor(places, device: parameter.device)));
            }
        }

        return null;
    }

    private static string? WhyNot(ClassificationHead source, ClassificationHead wanted)
    {
        if (source.IsRegression != wanted.IsRegression)
        {
            return source.IsRegression ? "it gives a number, and the job tells classes" : "it tells classes, and the job gives a number";
        }

        if (!source.Classes.ToHashSet(StringComparer.Ordinal).SetEquals(wanted.Classes))
        {
            return $"its classes are {Shown(source)}, and those of the job {Shown(wanted)}";
        }

        return source.Pooling == wanted.Pooling
            ? null
            : $"its classification.pooling is {Name(source.Pooling)}, and that of the job {Name(wanted.Pooling)}";
    }

    private static string Shown(ClassificationHead head) =>
        string.Join(", ", head.Classes.Take(ShownClasses)) + (head.Classes.Length > ShownClasses ? $" and {head.Classes.Length - ShownClasses} more" : "");

    private static string Name(Pooling pooling) => pooling == Pooling.First ? "first" : "mean";
}

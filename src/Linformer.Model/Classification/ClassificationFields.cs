using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Linformer.Model.Classification;

/// <summary>The fields of <c>config.json</c> that only a classification model has, with the names that Hugging Face uses where it has them.</summary>
internal static class ClassificationFields
{
    private const string Names = "id2label";
    private const string Problem = "problem_type";
    private const string PoolingName = "classifier_pooling";
    private const string DropoutName = "classifier_dropout";
    private const string Classes = "single_label_classification";
    private const string Regression = "regression";

    public static void Write(ClassificationHead head, JsonObject fields)
    {
        fields[Problem] = head.IsRegression ? Regression : Classes;
        fields[Names] = new JsonObject(head.Classes.Select((name, i) => KeyValuePair.Create(i.ToString(CultureInfo.InvariantCulture), (JsonNode?)name)));
        fields[PoolingName] = head.Pooling == Pooling.Mean ? "mean" : "first";
        fields[DropoutName] = head.Dropout;
    }

    /// <summary>Reads them.</summary>
    /// <exception cref="ModelFormatException">A field is missing or wrong.</exception>
    /// <exception cref="ArgumentException">The classes cannot be those of a model.</exception>
    public static ClassificationHead Read(JsonObject fields, string path)
    {
        var problem = Text(fields, Problem, path, Classes, Regression);
        var head = new ClassificationHead
        {
            Classes = problem == Regression ? [] : ReadClasses(fields, path),
            Pooling = Text(fields, PoolingName, path, "first", "mean") == "mean" ? Pooling.Mean : Pooling.First,
            Dropout = fields[DropoutName] is null ? null : fields[DropoutName] is JsonValue value && value.TryGetValue<double>(out var dropout)
                ? dropout
                : throw new ModelFormatException($"{path}: {DropoutName} is {fields[DropoutName]!.ToJsonString()}; a number or null is expected."),
        };
        head.Validate();
        return head;
    }

    private static ImmutableArray<string> ReadClasses(JsonObject fields, string path)
    {
        if (fields[Names] is not JsonObject { Count: > 1 and <= ClassificationHead.MostClasses } names)
        {
            throw new ModelFormatException($"{path}: {Names} is {Shown(fields[Names])}; the classes' names by their numbers are expected, 2 to {ClassificationHead.MostClasses} of them.");
        }

        return
        [
            .. Enumerable.Range(0, names.Count).Select(i =>
                names[i.ToString(CultureInfo.InvariantCulture)] is JsonValue value && value.TryGetValue<string>(out var name)
                    ? name
                    : throw new ModelFormatException($"{path}: {Names} has no name for class {i} of {names.Count}.")),
        ];
    }

    private static string Text(JsonObject fields, string name, string path, params string[] allowed) =>
        fields[name] is JsonValue value && value.TryGetValue<string>(out var text) && allowed.Contains(text, StringComparer.Ordinal)
            ? text
            : throw new ModelFormatException($"{path}: {name} is {Shown(fields[name])}; allowed are {string.Join(", ", allowed)}.");

    private static string Shown(JsonNode? node) => node?.ToJsonString() ?? "missing";
}

using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Linformer.Protocol;

/// <summary>What a value without quotes is in YAML.</summary>
internal enum PlainKind
{
    /// <summary>Nothing.</summary>
    Null,

    /// <summary>True or false.</summary>
    Truth,

    /// <summary>A whole number.</summary>
    WholeNumber,

    /// <summary>A number.</summary>
    Number,

    /// <summary>A text.</summary>
    Text,

    /// <summary>A number to some readers of YAML and a text to others, or a number that is not finite.</summary>
    Unclear,
}

/// <summary>Reads single values and lists, strictly: nothing is converted from one type to another.</summary>
internal static partial class JobFileValues
{
    /// <summary>What is read for the word <c>auto</c> where a field may be left to the machines.</summary>
    public static readonly object Auto = new();

    /// <summary>Notes an error and returns null.</summary>
    internal delegate object? Report(YamlNode node, string path, string message);

    /// <summary>The value of a field, or null after an error was reported.</summary>
    public static object? Read(YamlNode node, FieldSchema field, Report report) => (field.Kind, node) switch
    {
        (_, YamlScalar { Text: FieldAttribute.Auto }) when field.Limits.MayBeAuto => Auto,
        (FieldKind.TextList, _) => ReadList<string>(node, field, report, ReadText),
        (FieldKind.NumberList, _) => ReadList<double>(node, field, report, ReadNumber),
        (FieldKind.WholeNumberList, _) => ReadList<int>(node, field, report, ReadWholeNumber),
        (FieldKind.Free, YamlMapping mapping) => new FreeFieldsReader(report).Read(mapping, field.Path),
        (FieldKind.Free, _) => report(node, field.Path, $"{Describe(node)}; allowed: {field.Allowed()}"),
        (_, YamlScalar scalar) when !IsNull(scalar) => ReadScalar(scalar, field, report),
        _ => report(node, field.Path, $"{Describe(node)}; allowed: {field.Allowed()}"),
    };

    /// <summary>A value as the beginning of a message.</summary>
    public static string Describe(YamlNode node) => node switch
    {
        YamlScalar scalar when IsNull(scalar) => "has no value",
        YamlScalar scalar => $"{Texts.Show(scalar.Text)} is one value",
        YamlList => "is a list",
        _ => "is a mapping of fields",
    };

    /// <summary>What a value without quotes is.</summary>
    public static PlainKind KindOfPlain(YamlScalar scalar) =>
        IsNull(scalar) ? PlainKind.Null
        : scalar.Text is "true" or "false" ? PlainKind.Truth
        : WholeNumberPattern().IsMatch(scalar.Text) ? PlainKind.WholeNumber
        : NumberPattern().IsMatch(scalar.Text) && !HasLeadingZero(scalar.Text) ? PlainKind.Number
        : NotFinitePattern().IsMatch(scalar.Text) || OtherTypePattern().IsMatch(scalar.Text) ? PlainKind.Unclear
        : PlainKind.Text;

    private static bool HasLeadingZero(string number) => number.TrimStart('+', '-') is ['0', >= '0' and <= '9', ..];

    private static object? ReadScalar(YamlScalar scalar, FieldSchema field, Report report) => field.Kind switch
    {
        FieldKind.WholeNumber => ReadWholeNumber(scalar, field, field.Path, report),
        FieldKind.Number => ReadNumber(scalar, field, field.Path, report),
        FieldKind.Flag => ReadFlag(scalar, field, report),
        FieldKind.Choice => ReadChoice(scalar, field, report),
        _ => ReadText(scalar, field, field.Path, report),
    };

    private delegate object? ReadItem(YamlScalar scalar, FieldSchema field, string path, Report report);

    private static List<T>? ReadList<T>(YamlNode node, FieldSchema field, Report report, ReadItem read)
    {
        if (node is not YamlList list)
        {
            report(node, field.Path, $"{Describe(node)}, not a list; allowed: {field.Allowed()}");
            return null;
        }
        if (list.Items.Count < field.Limits.MinCount || list.Items.Count > field.Limits.MaxCount)
        {
            report(node, field.Path, $"has {list.Items.Count:#,0} elements; allowed: {field.Allowed()}");
            return null;
        }
        var values = new List<T>(list.Items.Count);
        foreach (var (i, item) in list.Items.Index())
        {
            var path = $"{field.Path}[{i}]";
            var value = item is YamlScalar scalar && !IsNull(scalar)
                ? read(scalar, field, path, report)
                : report(item, path, $"{Describe(item)}; allowed: {field.Allowed()}");
            if (value is T good)
                values.Add(good);
        }
        return values.Count == list.Items.Count ? values : null;
    }

    private static object? ReadWholeNumber(YamlScalar scalar, FieldSchema field, string path, Report report)
    {
        var shown = Texts.Show(scalar.Text);
        if (!scalar.Plain)
            return report(scalar, path, $"{shown} is a text in quotes; allowed: {field.Allowed()}");
        if (!WholeNumberPattern().IsMatch(scalar.Text))
            return report(scalar, path, $"{shown} is not a whole number; allowed: {field.Allowed()}");
        var number = scalar.Text.Length <= 30 ? BigInteger.Parse(scalar.Text, CultureInfo.InvariantCulture) : BigInteger.Pow(10, 30);
        if (!field.Limits.Contains((double)number))
            return report(scalar, path, $"{shown.Trim('\'')} is out of range; allowed: {field.Allowed()}");
        return field.ValueType == typeof(long) ? (object)(long)number : (int)number;
    }

    private static object? ReadNumber(YamlScalar scalar, FieldSchema field, string path, Report report)
    {
        var shown = Texts.Show(scalar.Text);
        if (!scalar.Plain)
            return report(scalar, path, $"{shown} is a text in quotes; allowed: {field.Allowed()}");
        if (NotFinitePattern().IsMatch(scalar.Text))
            return report(scalar, path, $"{shown} is not finite; allowed: {field.Allowed()}");
        if (!NumberPattern().IsMatch(scalar.Text))
            return report(scalar, path, $"{shown} is not a number; allowed: {field.Allowed()}");
        var number = double.Parse(scalar.Text, CultureInfo.InvariantCulture);
        if (!double.IsFinite(number) || !field.Limits.Contains(number))
            return report(scalar, path, $"{shown.Trim('\'')} is out of range; allowed: {field.Allowed()}");
        return number;
    }

    private static object? ReadFlag(YamlScalar scalar, FieldSchema field, Report report) => (scalar.Plain, scalar.Text) switch
    {
        (true, "true") => true,
        (true, "false") => false,
        (true, _) => report(scalar, field.Path, $"{Texts.Show(scalar.Text)} is neither true nor false; allowed: {field.Allowed()}"),
        _ => report(scalar, field.Path, $"{Texts.Show(scalar.Text)} is a text in quotes; allowed: {field.Allowed()}"),
    };

    private static object? ReadChoice(YamlScalar scalar, FieldSchema field, Report report)
    {
        foreach (var (name, value) in field.Choices)
        {
            if (name == scalar.Text)
                return value;
        }
        return report(scalar, field.Path, Unknown(scalar.Text, "is unknown", field.Choices.Select(choice => choice.Name), field));
    }

    private static object? ReadText(YamlScalar scalar, FieldSchema field, string path, Report report)
    {
        if (scalar.Plain && OtherTypePattern().IsMatch(scalar.Text))
            return report(scalar, path, $"{Texts.Show(scalar.Text)} without quotes is not a text in YAML; put it in quotes if it is meant as one");
        if (Texts.Check(field.Limits.Format, scalar.Text) is not { } wrong)
            return scalar.Text;
        var known = field.Limits.Format == TextFormat.Preset ? ModelPresets.All.Select(preset => preset.Preset) : [];
        return report(scalar, path, Unknown(scalar.Text, wrong, known, field));
    }

    private static string Unknown(string text, string wrong, IEnumerable<string> known, FieldSchema field) =>
        Texts.Nearest(text, known) is { } near
            ? $"{Texts.Show(text)} {wrong}; did you mean {near}? (allowed: {field.Allowed()})"
            : $"{Texts.Show(text)} {wrong}; allowed: {field.Allowed()}";

    private static bool IsNull(YamlScalar scalar) => scalar.Plain && scalar.Text is "" or "~" or "null" or "Null" or "NULL";

    // A leading zero means octal to some YAML readers, so it is refused.
    [GeneratedRegex("^[-+]?(0|[1-9][0-9]*)\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex WholeNumberPattern();

    [GeneratedRegex("^[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]{1,9})?\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex NumberPattern();

    [GeneratedRegex("^[-+]?(\\.?(inf|nan)|infinity)\\z", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex NotFinitePattern();

    // Numbers, and the words that YAML 1.1 readers take for truth values.
    [GeneratedRegex(
        "^([-+]?(\\.[0-9]+|[0-9][0-9_]*(\\.[0-9]*)?)([eE][-+]?[0-9]+)?|0x[0-9a-f]+|y|n|yes|no|true|false|on|off)\\z",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex OtherTypePattern();
}

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Linformer.Bench;

/// <summary>Puts tables between marks of a page, such as <c>&lt;!-- bench: attention --&gt;</c> and <c>&lt;!-- /bench --&gt;</c>; all else stays.</summary>
public static class BenchPage
{
    private const string End = "<!-- /bench -->";

    /// <summary>Fills the page.</summary>
    /// <param name="page">The page.</param>
    /// <param name="results">What each benchmark printed as JSON, by the name in the marks. Those without a mark are left out.</param>
    /// <returns>The page with these tables, and the names that it has no mark for.</returns>
    /// <exception cref="FormatException">A mark has no end.</exception>
    public static (string Page, IReadOnlyList<string> Unplaced) Fill(string page, IEnumerable<KeyValuePair<string, JsonNode>> results)
    {
        var unplaced = new List<string>();
        foreach (var (name, result) in results)
        {
            var mark = $"<!-- bench: {name} -->";
            var start = page.IndexOf(mark, StringComparison.Ordinal);
            if (start < 0)
            {
                unplaced.Add(name);
                continue;
            }

            start += mark.Length;
            var end = page.IndexOf(End, start, StringComparison.Ordinal);
            if (end < 0)
            {
                throw new FormatException($"The page has '{mark}' without '{End}' behind it.");
            }

            page = $"{page[..start]}\n\n{Markdown(result)}{page[end..]}";
        }

        return (page, unplaced);
    }

    /// <summary>The tables of a result; of one without, its rows or values as they are.</summary>
    /// <param name="result">What a benchmark printed as JSON.</param>
    public static string Markdown(JsonNode result)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var tables = (result as JsonObject)?["tables"] is JsonArray own
            ? own.Deserialize<List<BenchTable>>(JsonSerializerOptions.Web)!
            : Plain("", result);
        foreach (var table in tables)
        {
            table.WriteMarkdown(output);
        }

        return output.ToString();
    }

    // Of a benchmark that knows nothing of tables: an array of objects is one, and so are an object's simple values.
    private static List<BenchTable> Plain(string title, JsonNode result)
    {
        var tables = new List<BenchTable>();
        if (result is JsonArray { Count: > 0 } array && array.All(row => row is JsonObject))
        {
            var columns = array.SelectMany(row => row!.AsObject().Select(field => field.Key)).Distinct().ToList();
            tables.Add(new BenchTable(title, columns, [.. array.Select(row => (IReadOnlyList<string>)[.. columns.Select(column => Cell(row![column]))])]));
        }
        else if (result is JsonObject fields)
        {
            var values = fields.Where(field => field.Value is null or JsonValue).ToList();
            if (values.Count > 0)
            {
                tables.Add(new BenchTable(title, ["", "value"], [.. values.Select(field => (IReadOnlyList<string>)[field.Key, Cell(field.Value)])]));
            }

            foreach (var (name, value) in fields)
            {
                tables.AddRange(value is JsonArray or JsonObject ? Plain(name, value) : []);
            }
        }

        return tables;
    }

    private static string Cell(JsonNode? value) => value switch
    {
        null => "–",
        JsonArray list => string.Join(", ", list.Select(Cell)),
        JsonValue number when number.GetValueKind() == JsonValueKind.Number => Number(number.Deserialize<double>()),
        _ => value.ToString(),
    };

    private static string Number(double value) => value.ToString(Math.Abs(value) >= 1000 ? "#,0" : "0.###", CultureInfo.InvariantCulture);
}

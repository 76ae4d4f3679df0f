using System.Text.Json.Nodes;
using Linformer.Bench;

namespace Linformer.Cli.Tests;

/// <summary>Results of benchmarks on a page.</summary>
public sealed class BenchPageTests
{
    [Fact]
    public void TablesReplaceWhatIsBetweenTheirMarksAndNothingElse()
    {
        var result = JsonNode.Parse("""{"x":1,"tables":[{"title":"T","columns":["","a"],"rows":[["r","2"]],"notes":["N."]}]}""")!;

        var (page, unplaced) = BenchPage.Fill("before\n<!-- bench: x -->\nold\n<!-- /bench -->\nafter", Results(("x", result), ("y", result)));

        page.ShouldBe("before\n<!-- bench: x -->\n\n**T**\n\n|  | a |\n|---|---:|\n| r | 2 |\n\nN.\n\n<!-- /bench -->\nafter");
        unplaced.ShouldBe(["y"]);
    }

    [Fact]
    public void FillingTwiceGivesTheSamePage()
    {
        var result = JsonNode.Parse("""[{"bytes":4096,"ratio":1.25},{"bytes":8192,"kind":"k"}]""")!;
        var (once, _) = BenchPage.Fill("<!-- bench: x -->\n<!-- /bench -->", Results(("x", result)));

        once.ShouldContain("| bytes | ratio | kind |");
        once.ShouldContain("| 4,096 | 1.25 | – |");
        BenchPage.Fill(once, Results(("x", result))).Page.ShouldBe(once);
    }

    [Fact]
    public void AMarkWithoutAnEndIsAnError() =>
        Should.Throw<FormatException>(() => BenchPage.Fill("<!-- bench: x --> and no more", Results(("x", JsonNode.Parse("[]")!))))
            .Message.ShouldContain("<!-- bench: x -->");

    private static IEnumerable<KeyValuePair<string, JsonNode>> Results(params (string Name, JsonNode Result)[] results) =>
        results.Select(result => KeyValuePair.Create(result.Name, result.Result));
}

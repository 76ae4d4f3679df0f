using System.Text.Json;
using YamlDotNet.RepresentationModel;

namespace Deploy.Monitoring;

/// <summary>Alert rules and the dashboard, as files. What a real cluster tells is compared with them in the end-to-end tests.</summary>
public class MonitoringFileTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "deploy", "monitoring");

    private static readonly string Prometheus = Path.Combine(Folder, "prometheus");

    [Theory]
    [InlineData("check rules --lint-fatal", "alerts.yaml")]
    [InlineData("check config", "prometheus.yaml")]
    [InlineData("test rules", "alerts.test.yaml")]
    public async Task Promtool_accepts_each_file(string command, string file)
    {
        var ran = await Repository.RunAsync(Promtool(), [.. command.Split(' '), Path.Combine(Prometheus, file)]);

        ran.ExitCode.ShouldBe(0, ran.Output + ran.Error);
        ran.Output.ShouldContain("SUCCESS");
    }

    [Fact]
    public void Each_alert_is_tested_to_fire_and_not_to()
    {
        var alerts = Mappings(Load("alerts.yaml"), "groups").SelectMany(group => Mappings(group, "rules")).ToList();
        var tests = Mappings(Load("alerts.test.yaml"), "tests").SelectMany(test => Mappings(test, "alert_rule_test"))
            .Select(test => (Alert: Text(test, "alertname"), Fires: Mappings(test, "exp_alerts").Any())).ToList();

        alerts.Count.ShouldBeGreaterThan(15);
        foreach (var alert in alerts)
        {
            var name = Text(alert, "alert");
            tests.ShouldContain((name, true));
            tests.ShouldContain((name, false));
            Text((YamlMappingNode)alert["labels"], "severity").ShouldBeOneOf("critical", "warning", "info");
            Text((YamlMappingNode)alert["annotations"], "description").ShouldEndWith(".");
        }
    }

    [Fact]
    public void Each_alert_is_in_the_documentation()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "monitoring.md"));

        foreach (var alert in Mappings(Load("alerts.yaml"), "groups").SelectMany(group => Mappings(group, "rules")))
        {
            page.ShouldContain($"`{Text(alert, "alert")}`");
        }
    }

    [Fact]
    public void The_dashboard_s_panels_have_ids_places_and_a_data_source_of_their_own()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "grafana", "linformer.json")));
        var root = json.RootElement;
        var panels = root.GetProperty("panels").EnumerateArray().ToList();
        panels.Count.ShouldBeGreaterThan(20);
        panels.Select(panel => panel.GetProperty("id").GetInt32()).ShouldBeUnique();
        var variables = root.GetProperty("templating").GetProperty("list").EnumerateArray().ToDictionary(variable => variable.GetProperty("name").GetString()!, variable => variable.GetProperty("type").GetString());
        variables["datasource"].ShouldBe("datasource");
        var taken = new HashSet<(int, int)>();
        foreach (var panel in panels)
        {
            var title = panel.GetProperty("title").GetString()!;
            var place = panel.GetProperty("gridPos");
            var (x, y, w, h) = (place.GetProperty("x").GetInt32(), place.GetProperty("y").GetInt32(), place.GetProperty("w").GetInt32(), place.GetProperty("h").GetInt32());
            (x + w).ShouldBeLessThanOrEqualTo(24, title);
            foreach (var cell in Enumerable.Range(x, w).SelectMany(column => Enumerable.Range(y, h).Select(line => (column, line))))
            {
                taken.Add(cell).ShouldBeTrue($"{title} overlaps another panel");
            }

            if (panel.GetProperty("type").GetString() == "row")
            {
                continue;
            }

            panel.GetProperty("datasource").GetProperty("uid").GetString().ShouldBe("${datasource}", title);
            var targets = panel.GetProperty("targets").EnumerateArray().ToList();
            targets.Select(target => target.GetProperty("refId").GetString()).ShouldBeUnique();
            targets.ShouldAllBe(target => target.GetProperty("datasource").GetProperty("uid").GetString() == "${datasource}");
            targets.ShouldAllBe(target => target.GetProperty("expr").GetString()!.Length > 0);
        }
    }

    [Fact]
    public async Task Prometheus_reads_each_of_the_dashboard_s_expressions()
    {
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Folder, "grafana", "linformer.json")));
        var expressions = json.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.TryGetProperty("targets", out _))
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .Select(target => target.GetProperty("expr").GetString()!.Replace("$__rate_interval", "1m", StringComparison.Ordinal).Replace("$training", ".*", StringComparison.Ordinal))
            .ToList();
        var rules = Path.GetTempFileName();
        try
        {
            var lines = expressions.Select((expression, i) => $"  - record: panel:{i}\n    expr: {JsonSerializer.Serialize(expression)}");
            await File.WriteAllTextAsync(rules, "groups:\n- name: panels\n  rules:\n" + string.Join('\n', lines) + "\n");

            var ran = await Repository.RunAsync(Promtool(), ["check", "rules", "--lint=none", rules]);

            ran.ExitCode.ShouldBe(0, ran.Output + ran.Error);
            ran.Output.ShouldContain($"{expressions.Count} rules found");
        }
        finally
        {
            File.Delete(rules);
        }
    }

    private static string Promtool()
    {
        var unpacked = Path.Combine(Repository.Root, "artifacts", "prometheus", "usr", "bin", "promtool");
        return File.Exists(unpacked) ? unpacked : Repository.Find("promtool").ShouldNotBeNull("promtool is missing; `./linformer test` unpacks it");
    }

    private static YamlMappingNode Load(string file)
    {
        var stream = new YamlStream();
        using var reader = new StreamReader(Path.Combine(Prometheus, file));
        stream.Load(reader);
        return (YamlMappingNode)stream.Documents[0].RootNode;
    }

    private static IEnumerable<YamlMappingNode> Mappings(YamlMappingNode node, string key) => ((YamlSequenceNode)node[key]).Children.Cast<YamlMappingNode>();

    private static string Text(YamlMappingNode node, string key) => ((YamlScalarNode)node[key]).Value!;
}

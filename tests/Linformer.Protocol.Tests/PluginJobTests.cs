using System.Text.Json;

namespace Linformer.Protocol.Tests;

public class PluginJobTests
{
    private const string Least = "name: a\ntask: plugin\nplugin: { assembly: p/a.dll }\n";

    [Fact]
    public void A_task_of_ones_own_needs_no_corpus()
    {
        var job = JobFileParser.Parse(Least, "a").OrThrow();

        job.HasCorpus.ShouldBeFalse();
        job.Plugin!.ShouldBe(new PluginSection { Assembly = "p/a.dll" });
        using var json = JsonDocument.Parse(job.ToJson());
        json.RootElement.TryGetProperty("corpus", out _).ShouldBeFalse();
        JobFileParser.Parse(job.ToJson(), "again").OrThrow().ToJson().ShouldBe(job.ToJson());
    }

    [Fact]
    public void It_may_have_one()
    {
        var job = JobFileParser.Parse(Least + "corpus: { files: [a.txt] }", "a").OrThrow();

        job.HasCorpus.ShouldBeTrue();
        JobFileParser.Parse(job.ToJson(), "again").OrThrow().Corpus.Files.ShouldBe(["a.txt"]);
    }

    [Fact]
    public void Its_settings_keep_their_types()
    {
        var job = JobFileParser.Parse(
            Least.Replace(" }", ", settings: { a: 1, b: -2.50, c: 'no', d: [true, null, text with spaces], e: { f: \"1\" }, g: +3, h: .5, ü: {} } }", StringComparison.Ordinal), "a").OrThrow();

        job.Plugin!.Settings.Json.ShouldBe("""{"a":1,"b":-2.5,"c":"no","d":[true,null,"text with spaces"],"e":{"f":"1"},"g":3,"h":0.5,"ü":{}}""");
        JobFileParser.Parse(job.ToJson(), "again").OrThrow().Plugin.ShouldBe(job.Plugin);
    }

    [Theory]
    [InlineData("name: a\ntask: plugin", "plugin", "is missing; task plugin needs plugin.assembly")]
    [InlineData("name: a\ntask: plugin\nplugin: {}", "plugin.assembly", "is missing; it takes a relative path")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: /etc/a.dll }", "plugin.assembly", "is not relative to the storage root")]
    [InlineData("name: a\nplugin: { assembly: a.dll }\ncorpus: { files: [a.txt] }", "plugin", "goes with task plugin only; the task is 'masked-lm' (the default)")]
    [InlineData("name: a\nplugin: { assembly: a.dll }", "corpus", "is missing; it needs corpus.files")]
    [InlineData(Least + "corpus: {}", "corpus.files", "is missing; it takes a list")]
    [InlineData(Least + "training: { microBatch: auto }", "training.microBatch", "is auto; with task plugin a number is needed")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: [1] }", "plugin.settings", "is a list; allowed: a mapping with fields of your own")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: { x: { y: yes } } }", "plugin.settings.x.y", "'yes' without quotes does not mean the same to all readers of YAML")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: { x: [0, 012] } }", "plugin.settings.x[1]", "'012' without quotes")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: { x: .inf } }", "plugin.settings.x", "'.inf' without quotes")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: { x: 1e999 } }", "plugin.settings.x", "'1e999' without quotes")]
    [InlineData("name: a\ntask: plugin\nplugin: { assembly: a.dll, settings: { x: 1, x: 2 } }", "plugin.settings.x", "is given twice")]
    public void What_is_wrong_is_named(string file, string path, string message)
    {
        var errors = JobFileParser.Parse(file, "a").Errors;

        errors.ShouldContain(error => error.Path == path && error.Message.Contains(message, StringComparison.Ordinal), string.Join('\n', errors));
    }

    [Theory]
    [InlineData("""{ "name": "a", "task": "plugin", "plugin": { "assembly": "a.dll", "settings": { "x": [1] } } }""")]
    [InlineData("""{ "name": "a", "task": "plugin" }""")]
    [InlineData("""{ "name": "a", "plugin": { "assembly": "a.dll" }, "corpus": { "files": ["a.txt"] } }""")]
    [InlineData("""{ "name": "a", "task": "masked-lm" }""")]
    [InlineData("""{ "name": "a", "task": "plugin", "plugin": { "assembly": "a.dll", "more": 1 } }""")]
    public void The_schema_says_the_same(string file)
    {
        var schema = JsonDocument.Parse(JobFileJsonSchema.Text).RootElement;

        (SchemaCheck.Errors(schema, JsonDocument.Parse(file).RootElement).Count == 0).ShouldBe(JobFileParser.Parse(file, "a").Errors.Count == 0);
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using YamlDotNet.Serialization;

namespace Linformer.Protocol.Tests;

public class JsonSchemaTests
{
    private static readonly JsonElement Schema = JsonDocument.Parse(JobFileJsonSchema.Text).RootElement;

    [Fact]
    public void The_schema_is_current()
    {
        JobFileJsonSchema.Text.ShouldBe(JobFileJsonSchema.Generate(), "write it anew: ./linformer job-file-docs --schema > docs/job-file.schema.json");
        File.ReadAllText(Path.Combine(Repository.Root, "docs", "job-file.schema.json")).ShouldBe(JobFileJsonSchema.Text);
    }

    [Fact]
    public void It_has_the_fields_of_a_job_with_all_defaults_written_out_and_their_values()
    {
        var job = JsonNode.Parse(Job(new JsonObject()))!.AsObject();

        Compare(job, Schema, "");

        static void Compare(JsonObject section, JsonElement schema, string path)
        {
            foreach (var (name, value) in section)
            {
                var field = schema.GetProperty("properties").GetProperty(name);
                field.GetProperty("description").GetString().ShouldNotBeNullOrEmpty();
                if (value is JsonObject inner)
                    Compare(inner, field, $"{path}.{name}");
                else if (field.TryGetProperty("default", out var fixedDefault))
                    JsonNode.DeepEquals(JsonNode.Parse(fixedDefault.GetRawText()), value).ShouldBeTrue($"{path}.{name}");
            }
        }
    }

    [Fact]
    public void Examples_and_presets_keep_to_it()
    {
        var files = Directory.GetFiles(Path.Combine(Repository.Root, "examples"), "*.yaml");

        files.Select(Path.GetFileNameWithoutExtension).Order().ShouldBe(JobFilePresets.All.Select(preset => preset.Name).Order());
        foreach (var preset in JobFilePresets.All)
        {
            JobFileParser.Parse(preset.Yaml, preset.Name).Errors.ShouldBeEmpty(preset.Name);
            preset.Yaml.ShouldBe(File.ReadAllText(Path.Combine(Repository.Root, "examples", $"{preset.Name}.yaml")));
            preset.Yaml.ShouldStartWith("#");
            preset.Title.ShouldNotBeNullOrWhiteSpace();
            preset.Description.ShouldNotBeNullOrWhiteSpace();
            SchemaCheck.Errors(Schema, FromYaml(preset.Yaml)).ShouldBeEmpty(preset.Name);
        }
    }

    [Fact]
    public void An_unknown_preset_is_named() =>
        Should.Throw<ArgumentException>(() => JobFilePresets.Get("huge")).Message.ShouldStartWith("There is no preset 'huge'; there are smoke, tiny,");

    // Each change is to one field, so no rule between fields but that of the tokenizer is at stake.
    [Fact]
    public void Schema_and_parser_agree_on_changes_to_one_field()
    {
        Prop.ForAll(Changes().ToArbitrary(), change =>
        {
            var job = JsonNode.Parse("""{ "name": "a", "corpus": { "files": ["a.txt"] } }""")!.AsObject();
            var section = job;
            foreach (var name in change.Path[..^1])
                section = (section[name] ??= new JsonObject()).AsObject();
            section[change.Path[^1]] = JsonNode.Parse(change.Value);

            var parsed = JobFileParser.Parse(job.ToJsonString(), "job.json", cuda: true).Errors.Where(error => !IsBetweenFields(error)).ToList();
            var checkedBySchema = SchemaCheck.Errors(Schema, JsonSerializer.SerializeToElement(job));

            (checkedBySchema.Count == 0).ShouldBe(parsed.Count == 0, $"{job.ToJsonString()}: {string.Join(", ", checkedBySchema)} / {string.Join(", ", parsed)}");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }

    [Theory]
    [InlineData("""{ "file": "t.json" }""", true)]
    [InlineData("""{ "kind": "byte-bpe", "vocabularySize": 300 }""", true)]
    [InlineData("""{ "file": "t.json", "kind": "byte-bpe" }""", false)]
    [InlineData("""{ "file": "t.json", "vocabularySize": 300 }""", false)]
    public void A_tokenizer_is_trained_or_read_from_a_file(string tokenizer, bool allowed)
    {
        var job = $$"""{ "name": "a", "corpus": { "files": ["a.txt"], "tokenizer": {{tokenizer}} } }""";

        (SchemaCheck.Errors(Schema, JsonDocument.Parse(job).RootElement).Count == 0).ShouldBe(allowed);
        (JobFileParser.Parse(job, "job.json").Errors.Count == 0).ShouldBe(allowed);
    }

    private static bool IsBetweenFields(JobFileError error) =>
        error.Message.Contains("is more than", StringComparison.Ordinal) || error.Message.Contains("multiple of", StringComparison.Ordinal)
        || error.Message.Contains("does not divide", StringComparison.Ordinal) || error.Message.Contains("is for ", StringComparison.Ordinal) || error.Message.Contains("is neither 1", StringComparison.Ordinal)
        || error.Message.Contains("one for each", StringComparison.Ordinal) || error.Message.Contains("need one each", StringComparison.Ordinal)
        || error.Message.Contains("needs model.", StringComparison.Ordinal) || error.Message.Contains("needs an even", StringComparison.Ordinal);

    private static Gen<(string[] Path, string Value)> Changes()
    {
        var fields = Leaves(Schema, []).Append(["colour"]).Append(["model", "colour"]).Append(["model"]).Append(["training"]).ToArray();
        string[] values =
        [
            "0", "1", "-1", "0.5", "0.99", "1.5", "2", "7", "8", "10", "64", "128", "260", "261", "300", "1000", "1001", "-1000", "-1001", "4096", "4097", "65536", "65537",
            "1000000", "1000001", "1000000000", "1000000001", "9007199254740991", "9007199254740993", "1e-9", "true", "{}", "[]", "[1, 0.5]", "[0.5, 0.9]", "[0.5]", "[0.1, 0.2, 0.3]",
            """[""]""", """["a"]""", """["a/../b"]""", """["a", "/b"]""", "\"\"", "\"a\"", "\"A\"", "\"a-\"", "\"-a\"", "\"a/b.txt\"", "\"a//b\"", "\"a/\"", "\"/a\"", "\"~a\"", "\"a~\"", "\"..\"", "\"...\"",
            "\".a\"", "\"a/./b\"", "\"c:/a\"", "\"cc:/a\"", "\"a\\\\b\"", "\"a\\nb\"", "\"a b\"", "\"a\\u2028b\"", "\"layerwise\"", "\"key-value\"", "\"Layerwise\"", "\"full\"", "\"masked-lm\"", "\"causal-lm\"",
            "\"auto\"", "\"fp32\"", "\"bf16\"", "\"cuda\"", "\"cpu\"", "\"linformer-tiny\"", "\"linformer-huge\"", "\"skip\"", "\"cosine\"", "\"post\"", "\"byte-bpe\"", "\"1\"",
            $"\"{new string('a', 63)}\"", $"\"{new string('a', 64)}\"", $"\"{new string('a', 1024)}\"", $"\"{new string('a', 1025)}\"",
        ];
        return from field in Gen.Elements(fields)
               from value in Gen.Elements(values)
               select (field, value);
    }

    private static IEnumerable<string[]> Leaves(JsonElement schema, string[] path) =>
        schema.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().SelectMany(field => Leaves(field.Value, [.. path, field.Name]))
            : [path];

    private static string Job(JsonObject more)
    {
        more["name"] = "a";
        more["corpus"] = new JsonObject { ["files"] = new JsonArray("a.txt") };
        return JobFileParser.Parse(more.ToJsonString(), "job.json").OrThrow().ToJson();
    }

    private static JsonElement FromYaml(string yaml)
    {
        var tree = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize(yaml);
        return JsonDocument.Parse(new SerializerBuilder().JsonCompatible().Build().Serialize(tree!)).RootElement;
    }
}

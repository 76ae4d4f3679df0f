using System.Text;
using Linformer.Fuzzing;
using Xunit.Abstractions;

namespace Linformer.Protocol.Tests.Fuzz;

/// <summary>Job files, damaged: read, or refused with errors that can be printed.</summary>
public sealed class JobFileFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Words =
    [
        "&a ", "*a", "<<: *a\n", "!!binary ", "!!python/object:x ", "? ", "- ", "|\n", ">\n", "---\n", "...\n", "%YAML 1.2\n", "#", "[", "]", "{", "}", ": ", ",\n", "\t", "\r",
        "name: b\n", "  steps: 1\n", "training: {", "corpus: {files: [a]}\n", "model:\n", "'", "\"", "\"\\x00\"", "\"\\u202e\"", "\\N", "~", "null", "0o17", "1_000", ".inf", "2026-01-01", "yes",
    ];

    [Fact]
    public void Yaml_is_read_or_refused() => Run("yaml", [.. Examples(), Encoding.UTF8.GetBytes("name: a\ncorpus: { files: [a.txt] }\n")], 1500, 64 << 10);

    [Fact]
    public void Long_yaml_is_read_or_refused() => Run("long yaml", [.. Examples()], 60, 1 << 20);

    [Fact]
    public void Json_is_read_or_refused() => Run("json", [.. Examples().Select(text => Encoding.UTF8.GetBytes(JobFileParser.Parse(text, "x").OrThrow().ToJson()))], 1500, 64 << 10);

    private static byte[][] Examples() => [.. Directory.GetFiles(Path.Combine(Repository.Root, "examples"), "*.yaml").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

    private void Run(string name, IReadOnlyList<byte[]> corpus, int cases, int longest) => new Fuzzer
    {
        Name = name,
        Corpus = corpus,
        Dictionary = Words,
        Cases = cases,
        LongestInput = longest,
        AllocationBase = 8 << 20,
        AllocationPerByte = 1000,
        MayThrow = e => e is JobFileException,
        SomeAreTaken = longest == 64 << 10,
    }.Run(
        text =>
        {
            var result = JobFileParser.Parse(text, "x.yaml");
            result.Errors.Count.ShouldBeLessThanOrEqualTo(101);
            foreach (var error in result.Errors)
            {
                error.ToString().Any(char.IsControl).ShouldBeFalse(error.ToString());
                error.ToString().Length.ShouldBeLessThan(20_000);
            }

            var job = result.OrThrow();
            JobFileParser.Parse(job.ToJson(), "again").OrThrow().ToJson().ShouldBe(job.ToJson());
        },
        output);
}

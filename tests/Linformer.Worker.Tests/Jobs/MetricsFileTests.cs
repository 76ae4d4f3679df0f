using System.Text.Json;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Jobs;

public sealed class MetricsFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-test-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "metrics.jsonl");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_line_has_every_number_of_the_step()
    {
        using (var metrics = MetricsFile.Open(Path, afterStep: 0))
        {
            metrics.Add(new ProgressMessage(7, 100, 1.25, 3e-4, 2048.5, 1.5, Math.Exp(1.5), 0.75, Generation: 4, WorldSize: 2));
        }

        using var line = JsonDocument.Parse(File.ReadAllLines(Path).ShouldHaveSingleItem());
        line.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetDouble()).ShouldBe(
            new Dictionary<string, double>
            {
                ["step"] = 7,
                ["generation"] = 4,
                ["worldSize"] = 2,
                ["loss"] = 1.25,
                ["learningRate"] = 3e-4,
                ["gradientNorm"] = 0.75,
                ["heldOutLoss"] = 1.5,
                ["tokensPerSecond"] = 2048.5,
            },
            ignoreOrder: true);
    }

    [Fact]
    public void Numbers_that_are_not_finite_are_kept_and_those_that_are_missing_are_left_out()
    {
        using (var metrics = MetricsFile.Open(Path, afterStep: 0))
        {
            metrics.Add(new ProgressMessage(1, 100, double.NaN, 3e-4, 10, GradientNorm: double.PositiveInfinity));
        }

        MetricsFile.Open(Path, afterStep: 1).Dispose();
        using var line = JsonDocument.Parse(File.ReadAllLines(Path).ShouldHaveSingleItem());
        line.RootElement.GetProperty("loss").GetString().ShouldBe("NaN");
        line.RootElement.GetProperty("gradientNorm").GetString().ShouldBe("Infinity");
        line.RootElement.TryGetProperty("heldOutLoss", out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 3)]
    [InlineData(5, 5)]
    [InlineData(9, 5)]
    public void Lines_of_steps_that_will_be_made_again_go(long afterStep, int kept)
    {
        Write(5);
        var before = File.ReadAllLines(Path);
        using (var metrics = MetricsFile.Open(Path, afterStep))
        {
            File.ReadAllLines(Path).ShouldBe(before[..kept]);
            Add(metrics, kept + 1);
        }

        Steps().ShouldBe(Enumerable.Range(1, kept + 1));
    }

    // Wherever a kill cuts the last line: a number that has lost digits must not count as an earlier step either.
    [Fact]
    public void A_last_line_that_was_cut_off_goes_and_the_next_one_starts_on_a_line_of_its_own()
    {
        Write(12);
        var whole = File.ReadAllBytes(Path);
        var lastLine = whole.Length - (File.ReadAllLines(Path)[^1].Length + 1);
        for (var length = lastLine; length <= whole.Length; length++)
        {
            File.WriteAllBytes(Path, whole[..length]);
            var kept = length >= whole.Length - 1 ? 12 : 11;
            using (var metrics = MetricsFile.Open(Path, afterStep: 12))
            {
                Steps().ShouldBe(Enumerable.Range(1, kept), $"cut after {length - lastLine} characters");
                Add(metrics, kept + 1);
            }

            Steps().ShouldBe(Enumerable.Range(1, kept + 1), $"cut after {length - lastLine} characters");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("{}")]
    [InlineData("""{"step":"1"}""")]
    [InlineData("""{"step":1.5}""")]
    [InlineData("""{"step":99999999999999999999}""")]
    [InlineData("\0\0\0\0")]
    public void A_line_that_is_no_step_goes(string line)
    {
        Write(2);
        File.AppendAllText(Path, line + "\n");
        MetricsFile.Open(Path, afterStep: 100).Dispose();
        Steps().ShouldBe([1, 2]);
    }

    private void Write(int steps)
    {
        using var metrics = MetricsFile.Open(Path, afterStep: 0);
        for (var step = 1; step <= steps; step++)
        {
            Add(metrics, step);
        }
    }

    private static void Add(MetricsFile metrics, int step) => metrics.Add(new ProgressMessage(step, 100, 2.5, 1e-3, 10));

    // Read as any reader of lines of JSON would, while the file is still open.
    private int[] Steps() => Array.ConvertAll(File.ReadAllLines(Path), line =>
    {
        using var json = JsonDocument.Parse(line);
        return json.RootElement.GetProperty("step").GetInt32();
    });
}

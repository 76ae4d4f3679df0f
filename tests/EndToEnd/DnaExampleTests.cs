using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace EndToEnd;

/// <summary>The job of examples/dna on short sequences that its script makes.</summary>
[Trait("Lane", "Processes")]
public sealed class DnaExampleTests : IDisposable
{
    private const int Length = 1024;
    private const int Sequences = 1000;

    private readonly Workspace _workspace = new();

    [Fact]
    public async Task A_far_apart_pair_decides_and_the_model_finds_it()
    {
        await MakeSequencesAsync();
        var job = (await File.ReadAllTextAsync(Path.Combine(Example, "job.yaml")))
            .Replace("sequenceLength: 65536", $"sequenceLength: {Length}", StringComparison.Ordinal)
            .Replace("microBatch: 1 ", "microBatch: 4 ", StringComparison.Ordinal);
        job.ShouldContain($"sequenceLength: {Length}");
        job.ShouldContain("microBatch: 4 ");
        var file = Path.Combine(_workspace.Root, "dna.yaml");
        await File.WriteAllTextAsync(file, job);

        using var result = JsonDocument.Parse(await LinformerProcess.SucceedAsync(_workspace.Train(file, "--output", "json", "--ranks", "1")));

        var summary = result.RootElement.GetProperty("summary");
        summary.GetProperty("measures").GetProperty("accuracy").GetDouble().ShouldBe(1);
    }

    [Fact]
    public async Task The_sequences_are_what_the_example_says()
    {
        var lines = await File.ReadAllLinesAsync(await MakeSequencesAsync());

        lines[0].ShouldBe("class\tsequence");
        lines.Length.ShouldBe(1 + Sequences);
        var rows = lines.Skip(1).Select(line => line.Split('\t')).Select(columns => (Class: columns[0], Text: columns[1])).ToArray();
        foreach (var (name, text) in rows)
        {
            text.Length.ShouldBe(Length - 2);
            text.Trim('A', 'C', 'G', 'T', 'R', 'Y').ShouldBeEmpty();
            var (first, second) = (text.AsSpan().IndexOfAny('R', 'Y'), text.AsSpan().LastIndexOfAny('R', 'Y'));
            text.Count(symbol => symbol is 'R' or 'Y').ShouldBe(2);
            (second - first).ShouldBeGreaterThanOrEqualTo((Length - 2) / 4);
            name.ShouldBe(text[first] == text[second] ? "same" : "different");
        }

        // Whatever one of the sites is, either class is as likely: within five deviations of a fair coin.
        foreach (var site in (Func<string, char>[])[text => text.First(symbol => symbol is 'R' or 'Y'), text => text.Last(symbol => symbol is 'R' or 'Y')])
        {
            foreach (var kind in "RY")
            {
                var of = rows.Where(row => site(row.Text) == kind).ToArray();
                ((double)of.Count(row => row.Class == "same") / of.Length).ShouldBe(0.5, 5 * 0.5 / Math.Sqrt(of.Length));
            }
        }

        (await File.ReadAllLinesAsync(await MakeSequencesAsync())).ShouldBe(lines);
        (await File.ReadAllLinesAsync(await MakeSequencesAsync(seed: 2))).ShouldNotBe(lines);
    }

    public void Dispose() => _workspace.Dispose();

    private static string Example
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Linformer.sln")))
            {
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
            }

            return Path.Combine(folder, "examples", "dna");
        }
    }

    private async Task<string> MakeSequencesAsync(int seed = 1)
    {
        var path = _workspace.Corpus(Path.Combine("dna", "sequences.tsv"));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string[] arguments = [Path.Combine(Example, "make-sequences.sh"), .. ((int[])[Sequences, Length - 2, seed]).Select(number => number.ToString(CultureInfo.InvariantCulture))];
        using var process = Process.Start(new ProcessStartInfo("bash", arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
        await using (var file = File.Create(path))
        {
            await process.StandardOutput.BaseStream.CopyToAsync(file);
        }

        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0);
        return path;
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Model.Files;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Jobs;

/// <summary>The metrics of a job: a line of JSON per step, appended as steps are applied.</summary>
public sealed class MetricsFile : IDisposable
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly FileStream _file;

    private MetricsFile(FileStream file) => _file = file;

    /// <summary>Opens the file for a run that starts after a step; lines of later steps, which will be made again, go.</summary>
    /// <param name="path">The file.</param>
    /// <param name="afterStep">The step that the run continues from; 0 for a new job.</param>
    public static MetricsFile Open(string path, long afterStep)
    {
        var kept = File.Exists(path) ? File.ReadLines(path).Where(line => StepOf(line) <= afterStep).ToList() : [];
        AtomicFile.Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            kept.ForEach(writer.WriteLine);
        });
        return new MetricsFile(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0));
    }

    /// <summary>Adds a line, whole or not at all.</summary>
    /// <param name="progress">The step.</param>
    /// <exception cref="IOException">The disk is full, or the like; the lines before are untouched.</exception>
    public void Add(ProgressMessage progress)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                progress.Step,
                progress.Generation,
                progress.WorldSize,
                progress.Loss,
                progress.LearningRate,
                progress.GradientNorm,
                progress.HeldOutLoss,
                progress.Measures,
                progress.TokensPerSecond,
            },
            Options);
        var length = _file.Length;
        try
        {
            _file.Write([.. json, (byte)'\n']);
        }
        catch (IOException)
        {
            _file.SetLength(length);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    // A line that a kill has cut off counts as later than any step.
    private static long StepOf(string line)
    {
        if (!line.StartsWith('{'))
        {
            return long.MaxValue;
        }

        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("step").GetInt64();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return long.MaxValue;
        }
    }
}

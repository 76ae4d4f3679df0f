using System.Collections.Immutable;
using System.Text.Json;
using Linformer.Data;
using Linformer.Model.Files;

namespace Linformer.Training;

/// <summary>Steps that the same number of ranks computed, one after the other.</summary>
/// <param name="From">The first of them, from 1 on.</param>
/// <param name="Ranks">How many ranks; 0 for steps that were left out.</param>
public sealed record WorldSegment(long From, int Ranks);

/// <summary>
/// How many ranks computed each step that has gone into a state. Whoever repeats it from the beginning gets the same bits.
/// Immutable.
/// </summary>
public sealed class WorldHistory : IEquatable<WorldHistory>
{
    private const int Format = 1;
    private const long MaximumBytes = 64 << 20;

    // A job leaves out a handful; whoever repeats a history lists them one by one.
    private const int MaximumSkipped = 100_000;

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Makes a history.</summary>
    /// <param name="segments">What is known, in the order of the steps.</param>
    /// <param name="steps">Steps so far.</param>
    /// <exception cref="ArgumentException">A number is out of range or out of order.</exception>
    public WorldHistory(IEnumerable<WorldSegment> segments, long steps)
    {
        Segments = [.. segments];
        Steps = steps;
        var before = 0L;
        foreach (var segment in Segments)
        {
            if (segment is null || segment.From <= before || segment.From > steps || segment.Ranks < 0)
            {
                throw new ArgumentException($"A segment has {segment?.Ranks} ranks from step {segment?.From} on; its step must be from {before + 1} to {steps}, and its ranks at least 0.", nameof(segments));
            }

            before = segment.From;
        }
    }

    private WorldHistory(ImmutableArray<WorldSegment> segments, long steps) => (Segments, Steps) = (segments, steps);

    /// <summary>Of a state before the first step.</summary>
    public static WorldHistory Empty { get; } = new(ImmutableArray<WorldSegment>.Empty, 0);

    /// <summary>What is known, in the order of the steps; each goes on to the next one's beginning.</summary>
    public ImmutableArray<WorldSegment> Segments { get; }

    /// <summary>Steps so far.</summary>
    public long Steps { get; }

    /// <summary>Whether the history begins with step 1; one that was taken over from an older checkpoint may not.</summary>
    public bool IsComplete => Steps == 0 || (Segments.Length > 0 && Segments[0].From == 1);

    /// <summary>Steps that were left out.</summary>
    public IEnumerable<long> SkippedSteps
    {
        get
        {
            for (var i = 0; i < Segments.Length; i++)
            {
                for (var step = Segments[i].From; Segments[i].Ranks == 0 && step <= LastStepOf(i); step++)
                {
                    yield return step;
                }
            }
        }
    }

    /// <summary>Of a state about whose first steps nothing is known.</summary>
    /// <param name="steps">Steps so far.</param>
    public static WorldHistory Unknown(long steps) => new(ImmutableArray<WorldSegment>.Empty, steps);

    /// <summary>The last step of a segment.</summary>
    /// <param name="segment">Its place in <see cref="Segments"/>.</param>
    public long LastStepOf(int segment) => segment + 1 < Segments.Length ? Segments[segment + 1].From - 1 : Steps;

    /// <summary>The history with one more step.</summary>
    /// <param name="ranks">The ranks that computed it; 0 when it was left out.</param>
    public WorldHistory Add(int ranks) => new(
        Segments.Length > 0 && Segments[^1].Ranks == ranks ? Segments : Segments.Add(new WorldSegment(Steps + 1, ranks)),
        Steps + 1);

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="BadDataException">The file cannot be read, is no history, or lacks the first steps; the message names it.</exception>
    public static WorldHistory Load(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaximumBytes)
            {
                throw new BadDataException($"{path}: has {length} bytes; a history has at most {MaximumBytes}.");
            }

            var file = JsonSerializer.Deserialize<HistoryFile>(File.ReadAllBytes(path), Options)
                ?? throw new BadDataException($"{path}: is not a history: null");
            if (file.Format != Format)
            {
                throw new BadDataException($"{path}: has format {file.Format}; this program reads {Format}.");
            }

            var history = new WorldHistory(file.Segments, file.Steps);
            if (history.SkippedSteps.Take(MaximumSkipped + 1).Count() > MaximumSkipped)
            {
                throw new BadDataException($"{path}: leaves out more than {MaximumSkipped} steps.");
            }

            return history.IsComplete
                ? history
                : throw new BadDataException($"{path}: begins with step {(history.Segments.IsEmpty ? history.Steps + 1 : history.Segments[0].From)}; the steps before are not known.");
        }
        catch (JsonException e)
        {
            const string Example = """{"format":1,"steps":20,"segments":[{"from":1,"ranks":2},{"from":8,"ranks":1}]}""";
            throw new BadDataException($"{path}: is not a history, which is JSON such as {Example}; what is wrong is in line {e.LineNumber + 1}.", e);
        }
        catch (ArgumentException e)
        {
            // Without the name of a parameter, which the file does not have.
            throw new BadDataException($"{path}: {e.Message.Split(" (Parameter", 2)[0]}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadDataException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes the history, whole or not at all.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, JsonSerializer.Serialize(new HistoryFile(Format, Steps, Segments), Options));

    /// <inheritdoc/>
    public bool Equals(WorldHistory? other) => other is not null && Steps == other.Steps && Segments.AsSpan().SequenceEqual(other.Segments.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as WorldHistory);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Steps, Segments.Length);

    private sealed record HistoryFile(int Format, long Steps, IReadOnlyList<WorldSegment> Segments);
}

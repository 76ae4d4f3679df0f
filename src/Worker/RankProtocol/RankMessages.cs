using System.Text.Json.Serialization;
using Linformer.Training;
using Linformer.Worker.Machines;

namespace Linformer.Worker.RankProtocol;

/// <summary>What a rank tells the launcher: one JSON object per line on what was the rank's standard output.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(ReadyMessage), "ready")]
[JsonDerivedType(typeof(PulseMessage), "pulse")]
[JsonDerivedType(typeof(JoinedMessage), "joined")]
[JsonDerivedType(typeof(LeftMessage), "left")]
[JsonDerivedType(typeof(AppliedMessage), "applied")]
[JsonDerivedType(typeof(ProgressMessage), "progress")]
[JsonDerivedType(typeof(RankSampleMessage), "sample")]
[JsonDerivedType(typeof(CheckpointedMessage), "checkpointed")]
[JsonDerivedType(typeof(WarningMessage), "warning")]
[JsonDerivedType(typeof(FinishedMessage), "finished")]
[JsonDerivedType(typeof(StoppedMessage), "stopped")]
[JsonDerivedType(typeof(FailedMessage), "failed")]
[JsonDerivedType(typeof(RendezvousSetMessage), "rendezvous-set")]
[JsonDerivedType(typeof(RendezvousGetMessage), "rendezvous-get")]
public abstract record RankMessage;

/// <summary>The process is warm: it has its model and data and waits for a generation.</summary>
public sealed record ReadyMessage : RankMessage;

/// <summary>A sign of life, from a thread that does nothing else, several times a second.</summary>
/// <param name="Activity">Goes up whenever the training thread gets further: a micro-batch, a collective, a file.</param>
/// <param name="Waiting">Whether the training thread waits for others: for a generation, in a collective, or for a file to be on disk.</param>
public sealed record PulseMessage(long Activity, bool Waiting) : RankMessage;

/// <summary>All ranks of the generation are connected and hold the same state; training goes on.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The step from which it goes on.</param>
/// <param name="Source">Where this rank's state comes from: "held", "received", "checkpoint NAME" or "fresh".</param>
public sealed record JoinedMessage(int Lineage, int Generation, long Step, string Source) : RankMessage;

/// <summary>The process is in no generation any more and waits for a newer one.</summary>
/// <param name="Generation">The generation that it has left.</param>
/// <param name="Step">The last step that it applied.</param>
/// <param name="HoldsState">Whether it holds that step's state.</param>
/// <param name="Broken">Why the generation broke, as a predicate; null when it left at a step boundary as it was asked to.</param>
/// <param name="BadLossStep">The step whose loss was bad, where the job says to go back then; null otherwise.</param>
public sealed record LeftMessage(int Generation, long Step, bool HoldsState, string? Broken = null, long? BadLossStep = null) : RankMessage;

/// <summary>This rank has applied a step; every rank tells it, at once.</summary>
/// <param name="Step">The step.</param>
/// <param name="ComputeSeconds">Its own time for the step, waits for others left out.</param>
public sealed record AppliedMessage(long Step, double ComputeSeconds) : RankMessage;

/// <summary>A step has been applied. Numbers may be NaN or infinite.</summary>
/// <param name="Step">The optimizer step, from 1 on.</param>
/// <param name="TotalSteps">The step that training ends with.</param>
/// <param name="Loss">The mean loss per predicted token of the step's global batch, in nats.</param>
/// <param name="LearningRate">The learning rate of the step.</param>
/// <param name="TokensPerSecond">Tokens per second of all ranks together.</param>
/// <param name="HeldOutLoss">The mean loss per predicted token of the held-out part, in nats, when this step evaluated it.</param>
/// <param name="HeldOutPerplexity">e to the power of <paramref name="HeldOutLoss"/>.</param>
/// <param name="GradientNorm">The gradient's global norm before clipping.</param>
/// <param name="Lineage">The lineage in which the step was computed.</param>
/// <param name="Generation">The generation in which it was computed; it may have ended since.</param>
/// <param name="WorldSize">The ranks of that generation.</param>
/// <param name="Measures">What else was measured on the held-out part, by name such as accuracy, when this step evaluated it; null for nothing.</param>
public sealed record ProgressMessage(
    long Step,
    long TotalSteps,
    double Loss,
    double LearningRate,
    double TokensPerSecond,
    double? HeldOutLoss = null,
    double? HeldOutPerplexity = null,
    double? GradientNorm = null,
    int Lineage = 0,
    int Generation = 0,
    int WorldSize = 0,
    IReadOnlyDictionary<string, double>? Measures = null) : RankMessage;

/// <summary>
/// What a rank has measured of itself since the sample before, at most once a second. The phases follow each other without a gap: their
/// seconds add up to the wall time. On a GPU they are those of the thread that gives it work, see <see cref="StepClock"/>.
/// </summary>
/// <param name="Step">The last step in it.</param>
/// <param name="Steps">Steps in it, at least 1.</param>
/// <param name="Tokens">Tokens that this rank put through the model for them.</param>
/// <param name="DataSeconds">Reads, masks and places the batches.</param>
/// <param name="ForwardSeconds">The losses.</param>
/// <param name="BackwardSeconds">The gradients.</param>
/// <param name="ReduceSeconds">Sums gradients over the ranks, the wait for slower ones included.</param>
/// <param name="UpdateSeconds">Scales, clips and updates.</param>
/// <param name="OtherSeconds">Everything else, such as evaluation and checkpoints.</param>
/// <param name="MemoryBytes">Resident memory of the process; 0 where the system does not tell.</param>
/// <param name="PeakMemoryBytes">The most that it ever was.</param>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
public sealed record RankSampleMessage(
    long Step,
    int Steps,
    long Tokens,
    double DataSeconds,
    double ForwardSeconds,
    double BackwardSeconds,
    double ReduceSeconds,
    double UpdateSeconds,
    double OtherSeconds,
    long MemoryBytes,
    long PeakMemoryBytes,
    int Lineage,
    int Generation) : RankMessage
{
    // Of a rank that is not well; a sample is of some seconds, or of a few long steps.
    private const double MaximumSeconds = 1e9;

    /// <summary>Whether a rank can have measured this: at least one step, times and sizes that are not negative and not without end.</summary>
    [JsonIgnore]
    public bool IsPossible =>
        Step >= 1 && Steps >= 1 && Tokens >= 0 && MemoryBytes >= 0 && PeakMemoryBytes >= 0
        && Seconds.All(phase => phase.Value is >= 0 and < MaximumSeconds);

    /// <summary>The seconds by phase.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<StepPhase, double>> Seconds =>
    [
        new(StepPhase.Data, DataSeconds), new(StepPhase.Forward, ForwardSeconds), new(StepPhase.Backward, BackwardSeconds),
        new(StepPhase.Reduce, ReduceSeconds), new(StepPhase.Update, UpdateSeconds), new(StepPhase.Other, OtherSeconds),
    ];

    /// <summary>What was measured of some steps.</summary>
    internal static RankSampleMessage Of(long step, StepTimes times, ProcessMemory memory, JoinMessage join) => new(
        step,
        times.Steps,
        times.Tokens,
        times.Data.TotalSeconds,
        times.Forward.TotalSeconds,
        times.Backward.TotalSeconds,
        times.Reduce.TotalSeconds,
        times.Update.TotalSeconds,
        times.Other.TotalSeconds,
        memory.ResidentBytes,
        memory.PeakBytes,
        join.Lineage,
        join.Generation);
}

/// <summary>A checkpoint is on disk under its name.</summary>
/// <param name="Checkpoint">The checkpoint's name, such as <c>l0000-g0001-s00000100</c>.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Step">The last optimizer step that it contains.</param>
/// <param name="Bytes">The size of its files.</param>
/// <param name="Deleted">Older checkpoints that were deleted after it; null for none.</param>
public sealed record CheckpointedMessage(
    string Checkpoint, string Folder, long Step = 0, long Bytes = 0, IReadOnlyList<string>? Deleted = null) : RankMessage;

/// <summary>Something is wrong that does not end the job, such as a checkpoint that cannot be written.</summary>
/// <param name="Message">What, in words for the user.</param>
public sealed record WarningMessage(string Message) : RankMessage;

/// <summary>The rank has done all of the job; it exits with code 0 next. Not sent after a stop.</summary>
/// <param name="SummaryJson">What to tell the user, as JSON; the launcher does not look into it.</param>
public sealed record FinishedMessage(string SummaryJson) : RankMessage;

/// <summary>The rank stops before the job is done, because it or another rank was asked to; it exits with code 0 next.</summary>
/// <param name="Step">The last step that it applied.</param>
public sealed record StoppedMessage(long Step) : RankMessage;

/// <summary>The rank cannot go on; it exits with another code than 0 next.</summary>
/// <param name="Message">Why, in words for the user.</param>
/// <param name="PeerLost">Whether the cause is that another rank has gone; then the launcher looks for the cause there.</param>
/// <param name="Permanent">Whether another try would end the same way, as with a corpus that is too small.</param>
public sealed record FailedMessage(string Message, bool PeerLost = false, bool Permanent = false) : RankMessage;

/// <summary>Gives a key of the generation's rendezvous a value; the last one counts.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value; Base64 on the wire.</param>
/// <param name="Generation">The generation whose rendezvous it is.</param>
public sealed record RendezvousSetMessage(string Key, byte[] Value, int Generation = 0) : RankMessage;

/// <summary>Asks for a key's value; the answer comes when there is one.</summary>
/// <param name="Request">A number that the answer repeats.</param>
/// <param name="Key">The key.</param>
/// <param name="Generation">The generation whose rendezvous it is.</param>
public sealed record RendezvousGetMessage(long Request, string Key, int Generation = 0) : RankMessage;

using System.Text.Json.Serialization;

namespace Linformer.Worker.RankProtocol;

/// <summary>What a rank tells the launcher: one JSON object per line on what was the rank's standard output.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(ReadyMessage), "ready")]
[JsonDerivedType(typeof(PulseMessage), "pulse")]
[JsonDerivedType(typeof(JoinedMessage), "joined")]
[JsonDerivedType(typeof(LeftMessage), "left")]
[JsonDerivedType(typeof(AppliedMessage), "applied")]
[JsonDerivedType(typeof(ProgressMessage), "progress")]
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
    int WorldSize = 0) : RankMessage;

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

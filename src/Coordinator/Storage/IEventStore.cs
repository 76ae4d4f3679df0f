using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>What an event is about.</summary>
public enum EventKind
{
    /// <summary>A job: an entry of its history.</summary>
    Job = 1,

    /// <summary>A worker.</summary>
    Worker = 2,

    /// <summary>A corpus.</summary>
    Corpus = 3,

    /// <summary>The coordinator itself.</summary>
    Coordinator = 4,
}

/// <summary>How grave an event is.</summary>
public enum EventSeverity
{
    /// <summary>Good to know.</summary>
    Info = 1,

    /// <summary>Something went wrong, and things go on.</summary>
    Warning = 2,

    /// <summary>Something has ended that should not have.</summary>
    Error = 3,
}

/// <summary>Something that has happened.</summary>
public sealed record EventRow
{
    /// <summary>Grows within the store; 0 before it is recorded.</summary>
    public long Sequence { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What it is about.</summary>
    public required EventKind Kind { get; init; }

    /// <summary>The job's id, the worker's name, the corpus's id; empty of the coordinator.</summary>
    public string Subject { get; init; } = "";

    /// <summary>The job's name; otherwise as the subject.</summary>
    public string Name { get; init; } = "";

    /// <summary><c>person:NAME</c>, <c>worker:NAME</c> or <c>coordinator</c>.</summary>
    public string Who { get; init; } = "coordinator";

    /// <summary>What has happened.</summary>
    public required string What { get; init; }

    /// <summary>Why; empty when it goes without saying.</summary>
    public string Why { get; init; } = "";

    /// <summary>How grave it is.</summary>
    public EventSeverity Severity { get; init; } = EventSeverity.Info;

    /// <summary>The job's lineage.</summary>
    public int Lineage { get; init; }

    /// <summary>The job's generation.</summary>
    public int Generation { get; init; }

    /// <summary>The job's committed step.</summary>
    public long Step { get; init; }

    /// <summary>The job's phase afterwards; null of others.</summary>
    public JobPhase? Phase { get; init; }
}

/// <summary>Which events to read.</summary>
/// <param name="After">Only those after this one, oldest first; with <see cref="Newest"/> not looked at.</param>
/// <param name="Before">With <see cref="Newest"/>, only those before this one; 0 for the end.</param>
/// <param name="Newest">Read from the end.</param>
/// <param name="Maximum">At most so many.</param>
/// <param name="Kinds">Only these; empty for all.</param>
/// <param name="Subject">Only of this subject; empty for all.</param>
/// <param name="Contains">Only those that contain this text in any of theirs, upper and lower case alike; empty for all.</param>
public sealed record EventQuery(
    long After, long Before, bool Newest, int Maximum, IReadOnlyList<EventKind> Kinds, string Subject = "", string Contains = "");

/// <summary>Events that were read.</summary>
/// <param name="Events">Oldest first.</param>
/// <param name="More">Whether there is more, or may be, in the direction in which they were read.</param>
/// <param name="LookedTo">The last event that was looked at, to go on from; 0 if there is none.</param>
public sealed record EventPage(IReadOnlyList<EventRow> Events, bool More, long LookedTo);

/// <summary>What has happened, of all jobs, workers and corpora. The history of jobs comes there by itself, with its own writes.</summary>
public interface IEventStore
{
    /// <summary>A search looks through so many events at most.</summary>
    const int LookedThrough = 200_000;

    /// <summary>Adds events. They are there twice if the connection breaks while they are recorded: better than not at all.</summary>
    Task AppendAsync(IReadOnlyList<EventRow> events, CancellationToken cancellationToken);

    /// <summary>Reads events. A search ends after <see cref="LookedThrough"/>; then there may be more, though none was found.</summary>
    Task<EventPage> ReadAsync(EventQuery query, CancellationToken cancellationToken);
}

using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>What is to become of a job's membership.</summary>
/// <param name="Reason">Why, or what is waited for, in words.</param>
public abstract record MembershipDecision(string Reason);

/// <summary>Nothing changes.</summary>
/// <param name="Reason">What is waited for; empty while all is well.</param>
public sealed record Stay(string Reason) : MembershipDecision(Reason);

/// <summary>The next generation starts.</summary>
/// <param name="Members">Its members by rank.</param>
/// <param name="Source">Where their state comes from.</param>
/// <param name="AtOnce">Whether they leave the generation before at once rather than at the next step boundary.</param>
/// <param name="Reason">Why.</param>
/// <param name="Broken">Whether the generation before broke with none of its members gone.</param>
public sealed record Form(ImmutableArray<int> Members, StateSource Source, bool AtOnce, string Reason, bool Broken = false) : MembershipDecision(Reason);

/// <summary>Training goes back: the next lineage starts.</summary>
/// <param name="BadStep">The step that is left out.</param>
/// <param name="Reason">Why.</param>
public sealed record GoBack(long BadStep, string Reason) : MembershipDecision(Reason);

/// <summary>Members that are of no more use end.</summary>
/// <param name="Members">They.</param>
/// <param name="Reason">Why.</param>
public sealed record Release(ImmutableArray<int> Members, string Reason) : MembershipDecision(Reason);

/// <summary>The members write a checkpoint and end; the job is queued again.</summary>
/// <param name="Reason">Why.</param>
public sealed record StopAll(string Reason) : MembershipDecision(Reason);

/// <summary>Nobody is left who holds state: the members that there are end, and the job is queued again, or paused if that is wished.</summary>
/// <param name="Reason">Why.</param>
public sealed record Dissolve(string Reason) : MembershipDecision(Reason);

/// <summary>All of the job is done.</summary>
/// <param name="Summary">What rank 0 said, as JSON.</param>
public sealed record Succeed(string? Summary) : MembershipDecision("");

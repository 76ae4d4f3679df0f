namespace Linformer.Cli.Progress;

/// <summary>
/// Shows how far something long has come. Members may be called from any thread. Dispose ends the display.
/// </summary>
public interface IProgressReporter : IDisposable
{
    /// <summary>Starts a phase, such as sharding a corpus.</summary>
    /// <param name="name">What is being done: "Sharding the corpus".</param>
    /// <param name="unit">What is counted, in the plural: "files".</param>
    /// <param name="total">How many there are, where known.</param>
    IProgressPhase StartPhase(string name, string unit, long? total = null);

    /// <summary>Shows how training goes.</summary>
    void ReportTraining(TrainingProgress progress);

    /// <summary>Shows a message of one line that stays. A terminal shows it within a tenth of a second, at the latest on Dispose.</summary>
    void Note(string message);
}

/// <summary>A phase. Disposing it without <see cref="Complete"/> means that it broke off.</summary>
public interface IProgressPhase : IDisposable
{
    /// <summary>Tells how much is done.</summary>
    /// <param name="done">Units done so far.</param>
    /// <param name="total">Units in all, if that has become known or has changed.</param>
    void Report(long done, long? total = null);

    /// <summary>Tells that all is done.</summary>
    void Complete();
}

/// <summary>How training goes after a step.</summary>
/// <param name="Step">The step that has been applied.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">Mean loss of the step, in nats per predicted token.</param>
/// <param name="HeldOutPerplexity">The newest perplexity on the held-out text, once there is one.</param>
/// <param name="TokensPerSecond">Tokens trained on in a second, over all ranks.</param>
/// <param name="TimeLeft">Estimated time to the last step, once it can be told.</param>
/// <param name="Unit">What is counted in a second, where a model is not trained but applied to it; null for tokens.</param>
/// <param name="UnitsPerStep">How many of that are in a step; the last step may have fewer.</param>
/// <param name="Measures">What else the newest evaluation measured, by name; null for nothing, and then the perplexity is shown.</param>
public sealed record TrainingProgress(
    long Step, long Steps, double Loss, double? HeldOutPerplexity, double TokensPerSecond, TimeSpan? TimeLeft,
    IReadOnlyDictionary<string, double>? Measures = null, string? Unit = null, long UnitsPerStep = 0);

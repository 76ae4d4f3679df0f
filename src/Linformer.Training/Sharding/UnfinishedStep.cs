using Linformer.Training.Optimizers;

namespace Linformer.Training.Sharding;

/// <summary>A step that a rank could take by itself for the moments that it holds, and that others may have taken or not.</summary>
/// <param name="Generation">The generation in which it was computed.</param>
/// <param name="Next">The state behind the step.</param>
/// <param name="Update">The update; null if the step changes no parameter.</param>
public sealed record UnfinishedStep(long Generation, TrainerState Next, AdamWUpdate? Update);

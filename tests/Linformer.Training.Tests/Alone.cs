namespace Linformer.Training.Tests;

/// <summary>
/// Tests that nothing may run beside: they count what the process holds, or draw from torch's default generator, of
/// which a process has one. Every trainer seeds it.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

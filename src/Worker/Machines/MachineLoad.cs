namespace Linformer.Worker.Machines;

/// <summary>How busy a machine is, or what of it this process may use where a control group limits that.</summary>
/// <param name="ProcessorPercent">Of the time of all <paramref name="Processors"/> since the reading before, in percent.</param>
/// <param name="Processors">How many there are; of a limit that is no whole number, the next one.</param>
/// <param name="UsedMemoryBytes">Memory that is not available to programs.</param>
/// <param name="MemoryBytes">All memory.</param>
/// <param name="FreeStorageBytes">What the storage's file system has left for this user; 0 where it has not told yet.</param>
public readonly record struct MachineLoad(double ProcessorPercent, int Processors, long UsedMemoryBytes, long MemoryBytes, long FreeStorageBytes);

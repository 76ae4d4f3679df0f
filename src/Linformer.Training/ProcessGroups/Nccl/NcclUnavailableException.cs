namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>This machine cannot take part in collectives over NCCL: a library is missing or too old, or there is no GPU.</summary>
/// <param name="message">What is missing, and how to mend it.</param>
/// <param name="innerException">The cause, if there is one.</param>
public sealed class NcclUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException);

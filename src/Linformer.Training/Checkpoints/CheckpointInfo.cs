namespace Linformer.Training.Checkpoints;

/// <summary>What a checkpoint says beside its tensors.</summary>
/// <param name="SamplesConsumed">How many sequences of the sample order training has used up.</param>
/// <param name="SampleOrderVersion">The version of the sample order that they were taken in.</param>
/// <param name="JobJson">The job with all its settings resolved, as JSON; the store does not look into it.</param>
public sealed record CheckpointMetadata(long SamplesConsumed, int SampleOrderVersion, string JobJson);

/// <summary>One file to be written into a checkpoint.</summary>
/// <param name="Name">The file's name within the folder.</param>
/// <param name="Write">
/// Writes the content to the stream that it is given, which hashes what passes. Large writes are best: nothing is buffered.
/// </param>
public sealed record CheckpointFile(string Name, Action<Stream> Write);

/// <summary>One file of a checkpoint, as its manifest lists it.</summary>
/// <param name="Name">The file's name within the folder.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="Sha256">The SHA-256 of its content, in lower-case hexadecimal.</param>
public sealed record CheckpointFileInfo(string Name, long Size, string Sha256);

/// <summary>A checkpoint that was written whole, or found whole.</summary>
/// <param name="Id">Its lineage, generation and step.</param>
/// <param name="Folder">Where its files are.</param>
/// <param name="Metadata">What it says beside the tensors.</param>
/// <param name="Created">When it was written.</param>
/// <param name="Files">Its files, without the manifest.</param>
public sealed record CheckpointInfo(
    CheckpointId Id,
    string Folder,
    CheckpointMetadata Metadata,
    DateTimeOffset Created,
    IReadOnlyList<CheckpointFileInfo> Files)
{
    /// <summary>The path of one of its files.</summary>
    /// <param name="name">The file's name within the folder.</param>
    /// <exception cref="CheckpointException">The manifest lists no such file.</exception>
    public string PathOf(string name) => Files.Any(file => string.Equals(file.Name, name, StringComparison.Ordinal))
        ? Path.Combine(Folder, name)
        : throw new CheckpointException($"{Folder}: has no file '{name}'; its files are {string.Join(", ", Files.Select(file => file.Name))}.");
}

/// <summary>Why a checkpoint cannot be used.</summary>
/// <param name="Id">The checkpoint.</param>
/// <param name="File">The path of the file that is wrong.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record CheckpointDamage(CheckpointId Id, string File, string Reason)
{
    /// <summary>A sentence for a log.</summary>
    public override string ToString() => $"Checkpoint {Id} is damaged: {File}: {Reason}";
}

/// <summary>A checkpoint that cannot be written, read or deleted; the message names the path and the reason.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">The path and what is wrong.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public CheckpointException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

using System.Text.Json;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Storage;
using Linformer.Data;
using Linformer.Model;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;
using Linformer.Protocol;
using Linformer.Protocol.Security;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Agents;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;

namespace Linformer.Cli;

/// <summary>Turns exceptions into messages.</summary>
internal static class Errors
{
    /// <summary>
    /// Exceptions that say all there is to say: bad input, or the world outside (a full disk, a missing file).
    /// Any other exception is a defect and is shown with its type.
    /// </summary>
    private static readonly Type[] Expected =
    [
        typeof(AgentRefusedException),
        typeof(BadDataException),
        typeof(CertificateException),
        typeof(CheckpointException),
        typeof(CommandException),
        typeof(GpuException),
        typeof(JobFileException),
        typeof(KubernetesException),
        typeof(ModelFormatException),
        typeof(PickleException),
        typeof(RankFailedException),
        typeof(SafeTensorsException),
        typeof(StorageException),
        typeof(IOException),
        typeof(UnauthorizedAccessException),
    ];

    /// <summary>Writes an exception as lines that begin with <c>error:</c>, or as a JSON line; never a stack trace unless asked for.</summary>
    public static void Write(Exception exception, OutputFormat format, bool verbose, TextWriter error)
    {
        var cause = exception;
        while (cause is AggregateException { InnerException: { } inner })
            cause = inner;
        // A token that was pasted in the wrong place must not get into a log.
        var message = TokenMask.Blank(Array.Exists(Expected, type => type.IsInstanceOfType(cause))
            ? cause.Message
            : $"unexpected {cause.GetType().Name}: {cause.Message} (--verbose shows where it comes from)");
        var details = verbose ? TokenMask.Blank(exception.ToString()) : null;
        if (format == OutputFormat.Json)
        {
            error.WriteLine(JsonSerializer.Serialize(
                new { error = message, details }, CommandContext.JsonOptions));
            return;
        }
        foreach (var line in message.Split('\n'))
            error.WriteLine($"error: {line}");
        if (details is not null)
            error.WriteLine(details);
    }
}

/// <summary>A command cannot do what it was asked; the message says why and what to do.</summary>
/// <param name="message">Names the thing, the value and what is allowed.</param>
/// <param name="inner">What it comes from, for those who ask with --verbose.</param>
public sealed class CommandException(string message, Exception? inner = null) : Exception(message, inner);

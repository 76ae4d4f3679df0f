using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Linformer.Cli.Progress;
using Linformer.Protocol.Security;
using Linformer.Protocol.Wire;

namespace Linformer.Cli;

/// <summary>Where and how a command writes: results to stdout, progress to stderr, each as text or JSON.</summary>
/// <param name="Format">Text or JSON.</param>
/// <param name="Verbose">Whether to tell more than usual.</param>
/// <param name="Output">Where results go.</param>
/// <param name="Error">Where progress goes.</param>
public sealed record CommandContext(OutputFormat Format, bool Verbose, TextWriter Output, TextWriter Error)
{
    /// <summary>How results are written as JSON: camelCase, on one line; a perplexity may be "Infinity".</summary>
    public static JsonSerializerOptions JsonOptions { get; } = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // It is read in terminals and by programs, never inside a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The context of a parsed command line.</summary>
    public static CommandContext Of(ParseResult parsed) => new(
        parsed.GetValue(GlobalOptions.Output),
        parsed.GetValue(GlobalOptions.Verbose),
        parsed.InvocationConfiguration.Output,
        parsed.InvocationConfiguration.Error);

    /// <summary>Writes a result: one line of JSON, or text.</summary>
    /// <param name="result">What JSON shows.</param>
    /// <param name="writeText">Writes it for people.</param>
    public void WriteResult<T>(T result, Action<TextWriter> writeText)
    {
        if (Format == OutputFormat.Json)
            Output.WriteLine(JsonSerializer.Serialize(result, JsonOptions));
        else
            writeText(Output);
    }

    /// <summary>Columns of the terminal that results go to; null where they go elsewhere.</summary>
    public int? Width => ReferenceEquals(Output, Console.Out) && !Console.IsOutputRedirected && Console.WindowWidth > 0 ? Console.WindowWidth : null;

    /// <summary>Writes a message as a result: one line of JSON, or text.</summary>
    /// <param name="message">What JSON shows.</param>
    /// <param name="writeText">Writes it for people.</param>
    public void WriteMessage(IMessage message, Action<TextWriter> writeText)
    {
        if (Format == OutputFormat.Json)
            Output.WriteLine(ProtoJson.Line(message));
        else
            writeText(Output);
    }

    /// <summary>Writes a hint or a note beside the result, to stderr.</summary>
    /// <param name="message">One or more lines.</param>
    public void Note(string message)
    {
        message = TokenMask.Blank(message);
        if (Format == OutputFormat.Json)
            Error.WriteLine(JsonSerializer.Serialize(new { @event = "note", message }, JsonOptions));
        else
            Error.WriteLine(message);
    }

    /// <summary>Starts showing progress in the way that suits stderr. Dispose it before results are written.</summary>
    public IProgressReporter StartProgress() => ProgressReporters.Create(Format, Error);
}

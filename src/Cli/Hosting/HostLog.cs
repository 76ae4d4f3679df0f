using System.CommandLine;
using System.Globalization;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;
using Serilog.Formatting.Json;

namespace Linformer.Cli.Hosting;

/// <summary>How a coordinator or worker writes its log.</summary>
internal enum LogFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>For programs: one JSON value a line.</summary>
    Json,
}

/// <summary>The log of a coordinator or worker: on stderr, for people or for programs.</summary>
internal static class HostLog
{
    /// <summary>The option <c>--log-format</c>.</summary>
    public static Option<LogFormat?> Option() => new("--log-format")
    {
        Description = "How the log on stderr is written: text or json (default: as --output says)",
        HelpName = "text|json",
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "text":
                    return LogFormat.Text;
                case "json":
                    return LogFormat.Json;
                case var other:
                    result.AddError($"--log-format is '{other}'; allowed are text and json.");
                    return null;
            }
        },
    };

    /// <summary>A log on the command's stderr.</summary>
    /// <param name="context">How the command writes.</param>
    /// <param name="format">What was chosen, if anything was.</param>
    public static Logger Create(CommandContext context, LogFormat? format)
    {
        var json = (format ?? (context.Format == OutputFormat.Json ? LogFormat.Json : LogFormat.Text)) == LogFormat.Json;
        return new LoggerConfiguration()
            .MinimumLevel.Is(context.Verbose ? LogEventLevel.Debug : LogEventLevel.Information)
            .MinimumLevel.Override("Microsoft", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            // A start that fails is told by the command.
            .MinimumLevel.Override("Microsoft.Extensions.Hosting", context.Verbose ? LogEventLevel.Information : LogEventLevel.Fatal)
            .MinimumLevel.Override("Orleans", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            .MinimumLevel.Override("Grpc", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            .Enrich.FromLogContext()
            .WriteTo.Sink(new WriterSink(context.Error, json ? new JsonFormatter(renderMessage: true) : new PeopleFormatter()))
            .CreateLogger();
    }

    /// <summary>A log in a file, for a cluster inside of another command.</summary>
    /// <param name="path">The file.</param>
    public static Logger CreateFile(string path) => new LoggerConfiguration()
        .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
        .MinimumLevel.Override("Orleans", LogEventLevel.Warning)
        .MinimumLevel.Override("Grpc", LogEventLevel.Warning)
        .Enrich.FromLogContext()
        .WriteTo.File(new PeopleFormatter(), path, rollOnFileSizeLimit: true, fileSizeLimitBytes: 10_000_000, retainedFileCountLimit: 3)
        .CreateLogger();

    // Where the command's writers lead may be a test's, not the process's console.
    private sealed class WriterSink(TextWriter writer, ITextFormatter formatter) : ILogEventSink
    {
        private readonly Lock _lock = new();

        public void Emit(LogEvent logEvent)
        {
            using var line = new StringWriter { NewLine = "\n" };
            formatter.Format(logEvent, line);
            lock (_lock)
            {
                writer.Write(line.ToString());
                writer.Flush();
            }
        }
    }

    // "12:03:04 INF [tiny-abcde g2 r1 s300] message": only what an event has.
    private sealed class PeopleFormatter : ITextFormatter
    {
        private static readonly (string Property, string Prefix)[] Parts =
            [("Worker", "worker "), ("JobId", ""), ("Lineage", "l"), ("Generation", "g"), ("Rank", "r"), ("Step", "s")];

        private readonly MessageTemplateTextFormatter _message = new("{Message:lj}", CultureInfo.InvariantCulture);

        public void Format(LogEvent logEvent, TextWriter output)
        {
            var place = Parts.Where(part => logEvent.Properties.ContainsKey(part.Property))
                .Select(part => part.Prefix + Plain(logEvent.Properties[part.Property]))
                .ToArray();
            output.Write($"{logEvent.Timestamp:yyyy-MM-dd HH:mm:ss} {Level(logEvent.Level)} {(place.Length > 0 ? $"[{string.Join(' ', place)}] " : "")}");
            _message.Format(logEvent, output);
            output.WriteLine();
            if (logEvent.Exception is not null)
                output.WriteLine(logEvent.Exception);
        }

        // Without the quotes that a text has elsewhere.
        private static string Plain(LogEventPropertyValue value) =>
            value is ScalarValue { Value: string text } ? text : value.ToString(format: null, CultureInfo.InvariantCulture);

        private static string Level(LogEventLevel level) => level switch
        {
            LogEventLevel.Verbose or LogEventLevel.Debug => "DBG",
            LogEventLevel.Information => "INF",
            LogEventLevel.Warning => "WRN",
            LogEventLevel.Error => "ERR",
            _ => "FTL",
        };
    }
}

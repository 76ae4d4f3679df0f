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

/// <summary>A file that a log is written to.</summary>
/// <param name="Path">Its full path, to which the day is added, and a number when it grows too large.</param>
/// <param name="Format">For people or for programs.</param>
/// <param name="MaximumBytes">A further file is begun when one is as large.</param>
/// <param name="Kept">So many files stay.</param>
internal sealed record LogFile(string Path, LogFormat Format, long MaximumBytes, int Kept);

/// <summary>The log of a coordinator or worker: on stderr and in files, for people or for programs.</summary>
internal static class HostLog
{
    /// <summary>A log on the command's stderr, and in a file if one is asked for.</summary>
    /// <param name="context">How the command writes.</param>
    /// <param name="format">How the log on stderr is written.</param>
    /// <param name="file">The file, if there is to be one.</param>
    /// <exception cref="CommandException">The file cannot be written.</exception>
    public static Logger Create(CommandContext context, LogFormat format, LogFile? file = null)
    {
        var log = new LoggerConfiguration()
            .MinimumLevel.Is(context.Verbose ? LogEventLevel.Debug : LogEventLevel.Information)
            .MinimumLevel.Override("Microsoft", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            // A start that fails is told by the command.
            .MinimumLevel.Override("Microsoft.Extensions.Hosting", context.Verbose ? LogEventLevel.Information : LogEventLevel.Fatal)
            .MinimumLevel.Override("Orleans", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            .MinimumLevel.Override("Grpc", context.Verbose ? LogEventLevel.Information : LogEventLevel.Warning)
            .Enrich.FromLogContext()
            .WriteTo.Sink(new WriterSink(context.Error, Formatter(format)));
        if (file is not null)
        {
            CheckWritable(file.Path);
            log.WriteTo.File(
                Formatter(file.Format), file.Path, fileSizeLimitBytes: file.MaximumBytes, rollOnFileSizeLimit: true,
                rollingInterval: RollingInterval.Day, retainedFileCountLimit: file.Kept);
        }
        return log.CreateLogger();
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

    private static ITextFormatter Formatter(LogFormat format) => format == LogFormat.Json ? new JsonFormatter(renderMessage: true) : new PeopleFormatter();

    // Serilog says nothing of a file that it cannot write.
    private static void CheckWritable(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        try
        {
            Directory.CreateDirectory(folder);
            var probe = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}");
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"--log-file: nothing can be written to the folder {folder}: {error.Message}");
        }
    }

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

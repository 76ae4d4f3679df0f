using System.Globalization;
using Linformer.Coordinator.Storage;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Parsing;

namespace Linformer.Coordinator.Hosting;

/// <summary>
/// Keeps a condition that lasts, such as a full disk, from flooding the log: a warning or error that was written already is
/// written again only every half minute, with the number of those between. What is expected to happen to a coordinator (storage
/// that fails, a peer that goes) is written without a stack.
/// </summary>
/// <param name="log">Where it is written; its levels hold.</param>
/// <param name="time">Measures the half minute.</param>
public sealed class CalmLog(ILogger log, TimeProvider time) : ILogEventSink
{
    private const int MaxConditions = 1024;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);
    private static readonly MessageTemplateParser Parser = new();

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Condition> _conditions = new(StringComparer.Ordinal);

    /// <summary>A logger that writes to another one.</summary>
    /// <param name="log">The other one; it stays its owner's.</param>
    /// <param name="time">Measures the half minute.</param>
    public static ILogger Over(ILogger log, TimeProvider time)
    {
        var lowest = Enum.GetValues<LogEventLevel>().Where(log.IsEnabled).DefaultIfEmpty(LogEventLevel.Fatal).Min();
        return new LoggerConfiguration().MinimumLevel.Is(lowest).WriteTo.Sink(new CalmLog(log, time)).CreateLogger();
    }

    /// <inheritdoc/>
    public void Emit(LogEvent logEvent)
    {
        var target = Target(logEvent);
        if (!target.IsEnabled(logEvent.Level))
            return;
        if (logEvent.Level < LogEventLevel.Warning)
        {
            target.Write(logEvent);
            return;
        }
        var expected = Expected(logEvent.Exception);
        if (Enter(Key(logEvent, expected)) is { } leftOut)
            target.Write(Shown(logEvent, expected, leftOut));
    }

    // The other logger may have levels of its own for what frameworks write.
    private ILogger Target(LogEvent logEvent) =>
        logEvent.Properties.TryGetValue(Constants.SourceContextPropertyName, out var value) && value is ScalarValue { Value: string source }
            ? log.ForContext(Constants.SourceContextPropertyName, source)
            : log;

    // The same failure of many jobs, calls or peers is one condition.
    private static string Key(LogEvent logEvent, Exception? expected) =>
        logEvent.Exception is null
            ? logEvent.RenderMessage(CultureInfo.InvariantCulture)
            : $"{logEvent.MessageTemplate.Text}\n{(expected ?? logEvent.Exception).GetType()}\n{(expected ?? logEvent.Exception).Message}";

    private static Exception? Expected(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is StorageException or IOException or TimeoutException or OperationCanceledException)
                return exception;
        }
        return null;
    }

    private static LogEvent Shown(LogEvent logEvent, Exception? expected, long leftOut)
    {
        if (expected is null && leftOut == 0)
            return logEvent;
        var text = logEvent.MessageTemplate.Text;
        var properties = logEvent.Properties.Select(pair => new LogEventProperty(pair.Key, pair.Value)).ToList();
        if (expected is not null)
        {
            text += ": {Cause:l}";
            properties.Add(new LogEventProperty("Cause", new ScalarValue(expected.Message)));
        }
        if (leftOut > 0)
        {
            text += " ({LeftOut} more like it since the last one)";
            properties.Add(new LogEventProperty("LeftOut", new ScalarValue(leftOut)));
        }
        return new LogEvent(logEvent.Timestamp, logEvent.Level, expected is null ? logEvent.Exception : null, Parser.Parse(text), properties);
    }

    /// <summary>How many of the condition were left out since it was last written; null if this one is left out too.</summary>
    private long? Enter(string key)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (_conditions.TryGetValue(key, out var condition) && time.GetElapsedTime(condition.WrittenAt, now) < Interval)
            {
                condition.LeftOut++;
                return null;
            }
            if (condition is null && _conditions.Count >= MaxConditions)
                _conditions.Clear();
            _conditions[key] = new Condition { WrittenAt = now };
            return condition?.LeftOut ?? 0;
        }
    }

    private sealed class Condition
    {
        public required long WrittenAt { get; init; }

        public long LeftOut { get; set; }
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>Keeps what is logged.</summary>
internal sealed class LogCollector : ILogEventSink
{
    private readonly ConcurrentQueue<LogEvent> _events = new();

    public LogCollector() => Logger = new LoggerConfiguration()
        .MinimumLevel.Information().MinimumLevel.Override("Quiet", LogEventLevel.Error).WriteTo.Sink(this).CreateLogger();

    public ILogger Logger { get; }

    public IReadOnlyList<LogEvent> Events => [.. _events];

    public IReadOnlyList<string> Lines => [.. _events.Select(one => one.RenderMessage(CultureInfo.InvariantCulture))];

    public void Emit(LogEvent logEvent) => _events.Enqueue(logEvent);
}

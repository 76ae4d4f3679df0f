using System.Threading.Channels;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Coordinator.Services;

/// <summary>Records what is told to it beside those who tell it, in the order in which they do.</summary>
internal sealed class EventLog(IEventStore events, ILogger logger) : HostedLoop, IEventLog
{
    private const int Queued = 1000;
    private const int Together = 100;
    private const int Tries = 30;
    private const int MaxText = 4096;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastWrites = TimeSpan.FromSeconds(1);

    private readonly Channel<EventRow> _queue = Channel.CreateBounded<EventRow>(new BoundedChannelOptions(Queued) { SingleReader = true });

    /// <inheritdoc/>
    public void Note(EventRow row)
    {
        if (!_queue.Writer.TryWrite(row with { What = Cut(row.What), Why = Cut(row.Why) }))
            logger.Warning("That {What:l} ({Kind}, {Subject:l}) is not among the events: {Queued} others wait to be recorded", row.What, row.Kind, row.Subject, Queued);
    }

    /// <inheritdoc/>
    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        var rows = new List<EventRow>();
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                rows.Clear();
                Take(rows);
                await RecordAsync(rows, stoppingToken);
                rows.Clear();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            Take(rows, Queued);
            await RecordLastAsync(rows);
        }
    }

    private void Take(List<EventRow> rows, int most = Together)
    {
        while (rows.Count < most && _queue.Reader.TryRead(out var row))
            rows.Add(row);
    }

    private async Task RecordAsync(List<EventRow> rows, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await events.AppendAsync(rows, cancellationToken);
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                if (attempt == Tries || exception is FencedException)
                {
                    Lose(rows, exception);
                    return;
                }
            }
            await Task.Delay(RetryAfter, cancellationToken);
        }
    }

    // A stop waits for the database no longer than for that.
    private async Task RecordLastAsync(List<EventRow> rows)
    {
        if (rows.Count == 0)
            return;
        try
        {
            await events.AppendAsync(rows, CancellationToken.None).WaitAsync(LastWrites);
        }
        catch (Exception exception)
        {
            Lose(rows, exception);
        }
    }

    private void Lose(List<EventRow> rows, Exception exception) =>
        logger.Warning("{Count} events are not recorded ({Reason:l}), the first of them: {What:l} ({Kind}, {Subject:l})", rows.Count, exception.Message, rows[0].What, rows[0].Kind, rows[0].Subject);

    private static string Cut(string text) => text.Length <= MaxText ? text : text[..MaxText];
}

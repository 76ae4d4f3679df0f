using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Serilog;

namespace Linformer.Coordinator.Access;

/// <summary>
/// Writes the audit log. Calls that changed something, or may have, get a row each. Of those that were refused, and of workers that
/// connect, which can be without end, some a minute of each caller get one; the rest is counted in one more.
/// </summary>
internal sealed class AuditLog(IAuditStore store, TokenMask mask, TimeProvider time, ILogger logger) : HostedLoop
{
    private const int RowsPerWindow = 20;
    private const int JoinsPerWindow = 200;
    private const int MostPeers = 1000;
    private const int LongestText = 300;

    private const string Own = "coordinator";

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Crowd> _crowds = new(StringComparer.Ordinal);

    /// <summary>Writes a row.</summary>
    /// <exception cref="StorageException">It could not be written.</exception>
    public Task WriteAsync(Principal caller, string given, string peer, string method, string target, Status status) => store.AppendAsync(
        new AuditRow(0, time.GetUtcNow(), Text(caller.AuditName(given)), caller.RoleName, caller.TokenId, peer, method, Text(target), Outcome(status)),
        CancellationToken.None);

    /// <summary>Writes or counts a call that was refused.</summary>
    /// <exception cref="StorageException">It could not be written.</exception>
    public Task WriteRefusedAsync(Principal? caller, string given, string peer, string method, string target, Status status) =>
        WriteOrCountAsync($"refused {caller?.Kind} {caller?.User}", caller, RowsPerWindow, status, new AuditRow(
            0, time.GetUtcNow(), Text(caller?.AuditName(given) ?? ""), caller?.RoleName ?? "", caller?.TokenId ?? "", peer, method, Text(target), Outcome(status)));

    /// <summary>Writes or counts a worker that was let in.</summary>
    /// <exception cref="StorageException">It could not be written.</exception>
    public Task WriteJoinedAsync(Principal caller, string peer, string method, string worker) =>
        WriteOrCountAsync($"joined {caller.TokenId}", caller, JoinsPerWindow, Status.DefaultSuccess, new AuditRow(
            0, time.GetUtcNow(), Text(caller.User), caller.RoleName, caller.TokenId, peer, method, Text(worker), Outcome(Status.DefaultSuccess)));

    /// <summary>Writes a row of what the coordinator has changed by itself.</summary>
    /// <param name="method">What it did, such as <c>scale</c>.</param>
    /// <param name="target">What it changed.</param>
    /// <param name="outcome">How it was, and why.</param>
    /// <exception cref="StorageException">It could not be written.</exception>
    public Task WriteOwnAsync(string method, string target, string outcome) =>
        store.AppendAsync(new AuditRow(0, time.GetUtcNow(), Own, "", "", "", method, Text(target), Text(outcome)), CancellationToken.None);

    private Task WriteOrCountAsync(string crowd, Principal? caller, int most, Status status, AuditRow row)
    {
        lock (_lock)
        {
            if (!_crowds.TryGetValue(crowd, out var known))
                _crowds.Add(crowd, known = new Crowd(time.GetTimestamp(), caller));
            if (known.Rows >= most)
            {
                known.Count(row.Peer, status);
                return Task.CompletedTask;
            }
            known.Rows++;
        }
        return store.AppendAsync(row, CancellationToken.None);
    }

    /// <inheritdoc/>
    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(LookInterval, time, stoppingToken);
                await WriteCountsAsync(crowd => time.GetElapsedTime(crowd.Began) >= Window);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await WriteCountsAsync(_ => true);
        }
    }

    private async Task WriteCountsAsync(Func<Crowd, bool> isOver)
    {
        List<KeyValuePair<string, Crowd>> over;
        lock (_lock)
        {
            over = [.. _crowds.Where(one => isOver(one.Value))];
            over.ForEach(one => _crowds.Remove(one.Key));
        }
        foreach (var (_, crowd) in over.Where(one => one.Value.Counted > 0))
        {
            try
            {
                await store.AppendAsync(
                    new AuditRow(0, time.GetUtcNow(), crowd.Caller?.User ?? "", crowd.Caller?.RoleName ?? "", crowd.Caller?.TokenId ?? "", crowd.PeersText, "", "", crowd.Text), CancellationToken.None);
            }
            catch (Exception exception)
            {
                // Whatever it was: the log goes on with the next minute.
                CoordinatorInstruments.CountAuditFailure("count");
                logger.Warning("{Calls} calls could not be recorded in the audit log: {Reason:l}", crowd.Counted, exception.Message);
            }
        }
    }

    private string Outcome(Status status) =>
        status.StatusCode == StatusCode.OK ? "ok" : Text($"{StatusName.Of(status.StatusCode)}: {status.Detail}");

    private string Text(string text)
    {
        var masked = TokenText.Mask(mask.Text(text));
        var shown = masked.Length > LongestText ? masked[..LongestText] + "…" : masked;
        return string.Concat(shown.Select(character => char.IsControl(character) ? ' ' : character));
    }

    private sealed class Crowd(long began, Principal? caller)
    {
        private readonly HashSet<string> _peers = new(StringComparer.Ordinal);
        private StatusCode _last;

        public long Began { get; } = began;

        public Principal? Caller { get; } = caller;

        public int Rows { get; set; }

        public long Counted { get; private set; }

        public string PeersText => _peers.Count == 1 ? _peers.First() : $"{(_peers.Count == MostPeers ? "at least " : "")}{_peers.Count} addresses";

        public string Text => _last == StatusCode.OK
            ? $"ok: {Counted} more workers connected within a minute"
            : $"{StatusName.Of(_last)}: {Counted} more calls were refused within a minute";

        public void Count(string peer, Status status)
        {
            Counted++;
            _last = status.StatusCode;
            if (_peers.Count < MostPeers)
                _peers.Add(peer);
        }
    }
}

/// <summary>Statuses as gRPC writes them.</summary>
internal static class StatusName
{
    /// <summary>Such as PERMISSION_DENIED.</summary>
    public static string Of(StatusCode code) => code == StatusCode.OK ? "OK" : string.Concat(code.ToString().Select((letter, i) => i > 0 && char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));
}

using Grpc.Core;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.Security;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Doctor.Network;

/// <summary>The cluster behind a coordinator: whether it takes this program's calls, its clock, its workers.</summary>
/// <param name="addresses">Where its coordinators answer.</param>
/// <param name="token">The caller's token, if there is one.</param>
/// <param name="tls">Whom to trust.</param>
internal sealed class CoordinatorCheck(CoordinatorAddresses addresses, string? token, ClientTls tls) : IDoctorCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan MostClockDifference = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SoonExpired = TimeSpan.FromDays(7);

    /// <inheritdoc/>
    public string Subject => $"Cluster at {addresses.Words}";

    /// <inheritdoc/>
    public string Name => "call";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        using var client = new CoordinatorClient(addresses, token, tls);
        if (!await CheckCallerAsync(findings, client, cancellation))
            return;
        await CheckClockAsync(findings, cancellation);
        await CheckWorkersAsync(findings, client, cancellation);
    }

    // Whether a coordinator takes calls of this program.
    private async Task<bool> CheckCallerAsync(Findings findings, CoordinatorClient client, CancellationToken cancellation)
    {
        try
        {
            var me = await client.Tokens.WhoAmIAsync(new WhoAmIRequest(), client.Call(Patience, cancellation));
            findings.Ok("protocol", $"version {ProtocolVersion.Current} is spoken");
            var expires = me.ExpiresAt?.ToDateTime();
            findings.Judge(
                expires is null || expires - DateTime.UtcNow > SoonExpired, "token",
                $"{(me.User.Length > 0 ? me.User : "anybody")}, {Words.Role(me.Role)}{(me.TokenId.Length > 0 ? $", by token {me.TokenId}" : "")}{(expires is null ? "" : $", until {Words.Time(me.ExpiresAt)}")}",
                Verdict.Warning, "It ends soon: have an admin make another one with ./linformer tokens create.");
            return true;
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.Unimplemented)
        {
            findings.Warn("protocol", "it is a coordinator of an older version, which knows no tokens of users", "Upgrade the coordinator: coordinators first, then workers.");
            return true;
        }
        catch (RpcException error)
        {
            var check = error.StatusCode switch
            {
                StatusCode.Unauthenticated or StatusCode.PermissionDenied => "token",
                StatusCode.FailedPrecondition => "protocol",
                _ => "call",
            };
            var lines = RpcErrors.Explain(error, addresses).Split('\n', 2);
            findings.Problem(check, lines[0], lines.Length > 1 ? lines[1] : "The coordinator's log may say more.");
            return false;
        }
    }

    // Whoever answers first tells the time.
    private async Task CheckClockAsync(Findings findings, CancellationToken cancellation)
    {
        foreach (var address in addresses.All)
        {
            if (await ServerClock.AheadAsync(address, tls, cancellation) is not { } ahead)
                continue;
            findings.Judge(
                ahead.Duration() <= MostClockDifference, "clock", ClockWords.Difference(ahead, "the coordinator's"), Verdict.Warning,
                "Times in histories and logs would not fit together, and certificates and tokens may count as ended: let NTP set both clocks.");
            return;
        }
    }

    private static async Task CheckWorkersAsync(Findings findings, CoordinatorClient client, CancellationToken cancellation)
    {
        try
        {
            var workers = (await client.Workers.ListAsync(new ListWorkersRequest(), client.Call(Patience, cancellation))).Workers;
            var alive = workers.Where(worker => worker.Alive).ToList();
            var slots = alive.Sum(worker => worker.Slots.Count);
            var free = slots - alive.Sum(worker => worker.Slots.Count(slot => slot.JobId.Length > 0));
            findings.Judge(
                alive.Count > 0, "workers", $"{Words.Count(alive.Count, "worker")} connected with {Words.Count(slots, "slot")}, {free} of them free", Verdict.Warning,
                "Nothing trains without a worker: start one on each machine (./linformer worker --help).");
            foreach (var worker in workers.Where(worker => !worker.Alive))
                findings.Warn($"worker {worker.Name}", $"lost; seen {Words.Age(worker.LastSeen, DateTime.UtcNow)} ago on {worker.Host}", "Look at its machine and its log, and start it again.");
            foreach (var worker in alive.Where(worker => worker.Drained))
                findings.Warn($"worker {worker.Name}", "drained: it gets nothing new", $"If the work on it is done: ./linformer drain {worker.Name} --undo");
            foreach (var worker in alive.Where(worker => worker.LostMetricPoints + worker.LostLogLines > 0))
                findings.Warn($"worker {worker.Name}", $"had to drop {worker.LostMetricPoints:#,0} metric points and {worker.LostLogLines:#,0} log lines", "The coordinator was away for long, or its database is too slow.");
        }
        catch (RpcException error)
        {
            findings.Problem("workers", error.Status.Detail, "The coordinator's log may say more.");
        }
    }
}

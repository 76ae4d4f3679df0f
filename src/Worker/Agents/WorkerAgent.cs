using System.Diagnostics;
using Grpc.Core;
using Linformer.Protocol.Security;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// The worker on a machine: connects with the coordinator, does what it assigns (ranks and parts of a corpus's preparation),
/// and tells it what comes of that. While the coordinator is away, everything goes on. Ranks end with the agent's process.
/// </summary>
/// <param name="options">Who it is, and whom it works for.</param>
/// <param name="logger">Gets what happens, with the properties JobId, Lineage, Generation, Rank and Step where they apply.</param>
public sealed class WorkerAgent(WorkerAgentOptions options, ILogger logger)
{
    private static readonly TimeSpan LastingConnection = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ComplaintInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastWordsTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LeaveInterval = TimeSpan.FromMilliseconds(100);

    private volatile AgentWork? _work;

    /// <summary>Whether a coordinator has welcomed this worker and is connected at this moment. For any thread.</summary>
    public bool IsConnected => _work?.IsConnected ?? false;

    /// <summary>Works until it is cancelled.</summary>
    /// <param name="cancellationToken">
    /// Leave: the coordinator is told and moves the ranks away, or lets them write a checkpoint and stop, within
    /// <see cref="WorkerAgentOptions.DrainTimeout"/>, and the task completes without an exception.
    /// </param>
    /// <exception cref="AgentRefusedException">The coordinator does not want this worker, which did not leave anyhow; its ranks were ended.</exception>
    /// <exception cref="ArgumentException">A setting is not possible.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        options.Check();
        await using var work = new AgentWork(options, logger);
        _work = work;
        using var gone = new CancellationTokenSource();
        var connecting = ConnectAsync(work, gone.Token);
        var leaves = false;
        try
        {
            var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = cancellationToken.Register(() => leave.TrySetResult());
            if (await Task.WhenAny(connecting, leave.Task) == leave.Task)
            {
                leaves = true;
                await LeaveAsync(work, connecting);
            }
        }
        finally
        {
            _work = null;
            work.Kill();
            await Task.WhenAny(work.EndedAsync(), Task.Delay(KillTimeout, CancellationToken.None));
            await gone.CancelAsync();
            await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (!leaves)
        {
            await connecting;
        }
        else if (connecting.Exception?.InnerException is AgentRefusedException refused)
        {
            logger.Warning("The coordinator did not want this worker any more as it left: {Reason}", refused.Message);
        }
    }

    private async Task LeaveAsync(AgentWork work, Task connecting)
    {
        logger.Information("This worker leaves; its ranks are handed over");
        work.Leave(AgentMode.Draining);
        if (await EndedInTimeAsync(work, connecting) && !connecting.IsCompleted)
        {
            if (!work.IsIdle)
            {
                logger.Warning("The ranks have not left within {Seconds} s and are ended", options.DrainTimeout.TotalSeconds);
            }

            work.Kill();
            await Task.WhenAny(work.EndedAsync(), Task.Delay(KillTimeout));
            // A coordinator that is away learns of the end from the lease.
            await Task.WhenAny(connecting, Task.Delay(work.HasMuchToSay ? LastWordsTimeout : TimeSpan.Zero));
        }
    }

    // Until no rank is left, or the time is over, or the coordinator does not want this worker, which gives false.
    private async Task<bool> EndedInTimeAsync(AgentWork work, Task connecting)
    {
        var ended = work.EndedAsync();
        var started = Stopwatch.GetTimestamp();
        var seen = started;
        while (!ended.IsCompleted && Stopwatch.GetElapsedTime(started) < options.DrainTimeout)
        {
            if (await Task.WhenAny(ended, connecting, Task.Delay(LeaveInterval)) == connecting)
            {
                return false;
            }

            seen = work.IsConnected ? Stopwatch.GetTimestamp() : seen;
            var alone = Stopwatch.GetElapsedTime(seen) > options.DrainPatience;
            if (work.Mode == AgentMode.Draining && (alone || Stopwatch.GetElapsedTime(started) > options.DrainTimeout * 2 / 3))
            {
                logger.Warning("Nobody has moved the ranks away{Why}; they write a checkpoint and stop", alone ? ", since the coordinator is away" : "");
                work.Leave(AgentMode.Stopping);
            }
        }

        return true;
    }

    // Connects again and again, with each of the coordinators in turn, until the agent has left.
    private async Task ConnectAsync(AgentWork work, CancellationToken cancellationToken)
    {
        var instanceId = Guid.NewGuid().ToString("N");
        using var coordinators = new CoordinatorChannels(options);
        var pace = new ReconnectPace(coordinators.Count);
        var (complained, failures) = (0L, 0);
        while (!(work.HasSaidItsEnd && work.Telemetry.IsEmpty))
        {
            var started = Stopwatch.GetTimestamp();
            var (address, client) = coordinators.Current;
            var session = new AgentSession(work, options with { Coordinator = address }, instanceId, logger);
            var reason = await TryAsync(session, client, work, cancellationToken);
            work.IsConnected = false;
            if (cancellationToken.IsCancellationRequested || (work.HasSaidItsEnd && work.Telemetry.IsEmpty))
            {
                return;
            }

            if (session.Welcomed)
            {
                pace.TakeLease(session.Lease);
            }

            // A coordinator that welcomes and hangs up at once is not asked ten times a second.
            if (session.Welcomed && Stopwatch.GetElapsedTime(started) > LastingConnection)
            {
                pace.Reset();
                (complained, failures) = (0L, 0);
            }

            if (complained == 0 || Stopwatch.GetElapsedTime(complained) > ComplaintInterval)
            {
                logger.Warning("No connection with the coordinator {Coordinator}: {Reason}; trying again until there is one", address, reason.TrimEnd('.'));
                complained = Stopwatch.GetTimestamp();
            }

            coordinators.MoveOn();
            if (++failures % coordinators.Count != 0)
            {
                continue;
            }

            await Task.Delay(pace.Next(Random.Shared.NextDouble()), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<string> TryAsync(AgentSession session, V1.Agents.AgentsClient client, AgentWork work, CancellationToken cancellationToken)
    {
        try
        {
            await session.RunAsync(client, cancellationToken);
            return "it was closed";
        }
        catch (RpcException e) when (IsFinal(e.StatusCode) && !(work.WasWelcomed && e.StatusCode == StatusCode.Unauthenticated))
        {
            // One who was welcomed before may be in the middle of a rotation of tokens or certificates; his ranks train on.
            throw new AgentRefusedException(e.Status.Detail, e);
        }
        catch (RpcException e) when (TlsFailures.Explain(e.Status.DebugException) is { } tls)
        {
            return $"{tls.Why}. {tls.Advice}";
        }
        catch (RpcException e)
        {
            return e.Status.Detail.Length > 0 ? e.Status.Detail : e.StatusCode.ToString();
        }
        catch (Exception e) when (e is AgentProtocolException or OperationCanceledException or IOException || (cancellationToken.IsCancellationRequested && e is not AgentRefusedException))
        {
            // One that this side hangs up may end in any way.
            return e.Message;
        }
        catch (Exception e) when (e is not AgentRefusedException)
        {
            // Whatever a connection may bring, the ranks are worth more.
            logger.Error(e, "The connection with the coordinator ended unexpectedly");
            return e.Message;
        }
    }

    // What no other try would change.
    private static bool IsFinal(StatusCode code) =>
        code is StatusCode.Unauthenticated or StatusCode.PermissionDenied or StatusCode.FailedPrecondition
            or StatusCode.AlreadyExists or StatusCode.InvalidArgument;
}

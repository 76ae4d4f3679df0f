using System.Diagnostics;
using System.Reflection;
using Grpc.Core;
using Linformer.Protocol.Wire;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>One connection with the coordinator, from Hello to its end.</summary>
internal sealed class AgentSession(AgentWork work, WorkerAgentOptions options, string instanceId, ILogger logger)
{
    private const long TelemetryBytes = 1 << 20;
    private const long TelemetryWindow = 8 << 20;
    private const int DefaultHeartbeatMilliseconds = 2000;
    private const int MaximumHeartbeatMilliseconds = 60_000;

    private static readonly TimeSpan WelcomeTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(2);

    private readonly Queue<long> _unacknowledged = new();
    private long _gpuReadings;
    private long _machineReadings;
    private TimeSpan _heartbeat = TimeSpan.FromMilliseconds(DefaultHeartbeatMilliseconds);

    /// <summary>Whether a coordinator has welcomed this agent.</summary>
    public bool Welcomed { get; private set; }

    /// <summary>After how long a silence the coordinator takes this agent for lost; zero while it has not said.</summary>
    public TimeSpan Lease { get; private set; }

    /// <summary>Runs until the connection ends, or the agent has left.</summary>
    /// <param name="client">The coordinator.</param>
    /// <param name="cancellationToken">Hangs up.</param>
    /// <exception cref="RpcException">The connection could not be made, or broke.</exception>
    /// <exception cref="AgentRefusedException">The coordinator said a final goodbye, or has another storage.</exception>
    /// <exception cref="AgentProtocolException">The other side is no coordinator of this version, or one that is out of date.</exception>
    public async Task RunAsync(V1.Agents.AgentsClient client, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var headers = new Metadata();
        if (await options.ReadJoinTokenAsync(ending.Token) is { Length: > 0 } token)
        {
            headers.Add(MetadataNames.Authorization, MetadataNames.BearerPrefix + token);
        }

        using var call = client.Connect(headers, cancellationToken: ending.Token);
        try
        {
            await GreetAsync(call, ending.Token);
            var sending = SendAsync(call.RequestStream, ending.Token);
            var receiving = ReceiveAsync(call.ResponseStream, ending.Token);
            if (await Task.WhenAny(sending, receiving) == sending)
            {
                // When sending fails, why is known to the one who receives.
                await Task.WhenAny(receiving, Task.Delay(EndTimeout, CancellationToken.None));
            }

            if (receiving.IsCompleted)
            {
                await receiving;
            }
            else
            {
                await sending;
            }
        }
        finally
        {
            await ending.CancelAsync();
        }
    }

    private async Task GreetAsync(AsyncDuplexStreamingCall<V1.AgentMessage, V1.CoordinatorMessage> call, CancellationToken cancellationToken)
    {
        try
        {
            await call.RequestStream.WriteAsync(new V1.AgentMessage { Hello = Hello() }, cancellationToken);
        }
        catch (Exception e) when (e is InvalidOperationException or RpcException or IOException)
        {
            // The call is over already; its status says why.
        }

        var first = call.ResponseStream.MoveNext(cancellationToken);
        if (await Task.WhenAny(first, Task.Delay(WelcomeTimeout, cancellationToken)) != first)
        {
            throw new AgentProtocolException($"nobody answered within {WelcomeTimeout.TotalSeconds} s");
        }

        if (!await first)
        {
            throw new AgentProtocolException("the connection was closed without a word");
        }

        if (call.ResponseStream.Current.Goodbye is { } goodbye)
        {
            End(goodbye);
        }

        try
        {
            await TakeAsync(call.ResponseStream.Current.Welcome ?? throw new AgentProtocolException("the first message is no welcome"), cancellationToken);
        }
        catch (AgentRefusedException refused)
        {
            await TellAsync(call, refused.Message);
            throw;
        }
    }

    // Without that, this worker would look like any other until its lease is over.
    private static async Task TellAsync(AsyncDuplexStreamingCall<V1.AgentMessage, V1.CoordinatorMessage> call, string why)
    {
        using var limit = new CancellationTokenSource(EndTimeout);
        try
        {
            await call.RequestStream.WriteAsync(new V1.AgentMessage { Status = new V1.Status { Draining = true, Unfit = why } }, CancellationToken.None).WaitAsync(limit.Token);
            await call.RequestStream.CompleteAsync().WaitAsync(limit.Token);
            while (await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(limit.Token))
            {
                // Until the coordinator has taken it.
            }
        }
        catch (Exception e) when (e is InvalidOperationException or RpcException or IOException or OperationCanceledException)
        {
            // What it refuses counts all the same.
        }
    }

    private V1.Hello Hello()
    {
        var hello = new V1.Hello
        {
            ProtocolVersion = ProtocolVersion.Current,
            Name = options.Name,
            InstanceId = instanceId,
            Version = typeof(AgentSession).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
            Host = Environment.MachineName,
            ProcessId = Environment.ProcessId,
            Address = options.Address,
            SeenEpoch = work.Epoch,
            AllowsPlugins = options.AllowPlugins,
        };
        hello.Slots.AddRange(Enumerable.Range(0, options.Slots).Select(Offer));
        return hello;
    }

    private V1.SlotOffer Offer(int number)
    {
        var facts = options.SlotFacts[number];
        var offer = new V1.SlotOffer { Number = number, Device = facts.Device, Bfloat16 = facts.Bfloat16, MemoryBytes = facts.MemoryBytes };
        if (options.Gpus.Count > 0)
        {
            var gpu = options.Gpus[number];
            offer.Gpu = new V1.Gpu { Uuid = gpu.Uuid, Name = gpu.Name, MemoryBytes = gpu.MemoryBytes };
        }

        return offer;
    }

    private async Task TakeAsync(V1.Welcome welcome, CancellationToken cancellationToken)
    {
        if (!ProtocolVersion.IsSpoken(welcome.ProtocolVersion))
        {
            throw new AgentRefusedException($"The coordinator speaks protocol version {welcome.ProtocolVersion}; this worker speaks {ProtocolVersion.Spoken}.");
        }

        if (!work.Obey(welcome.Epoch))
        {
            throw new AgentProtocolException($"the coordinator is out of date: its epoch is {welcome.Epoch}, and one of epoch {work.Epoch} has been obeyed");
        }

        await work.Storage.ExpectAsync(welcome.StorageId).WaitAsync(cancellationToken);
        if (welcome.HeartbeatMilliseconds is > 0 and <= MaximumHeartbeatMilliseconds)
        {
            _heartbeat = TimeSpan.FromMilliseconds(welcome.HeartbeatMilliseconds);
        }

        Lease = TimeSpan.FromMilliseconds(Math.Max(0, welcome.LeaseMilliseconds));
        if (work.WasWelcomed)
        {
            AgentMeter.Reconnected(options.Name);
        }

        (Welcomed, work.IsConnected, work.WasWelcomed) = (true, true, true);
        logger.Information("Connected with the coordinator {Coordinator}, epoch {Epoch}", options.Coordinator, welcome.Epoch);
    }

    private async Task ReceiveAsync(IAsyncStreamReader<V1.CoordinatorMessage> stream, CancellationToken cancellationToken)
    {
        while (await stream.MoveNext(cancellationToken))
        {
            var message = stream.Current;
            switch (message.KindCase)
            {
                case V1.CoordinatorMessage.KindOneofCase.Assignment:
                    work.Take(message.Assignment);
                    break;
                case V1.CoordinatorMessage.KindOneofCase.TelemetryAck:
                    work.Telemetry.Acknowledge(message.TelemetryAck.Sequence);
                    work.Signal.Set();
                    break;
                case V1.CoordinatorMessage.KindOneofCase.Rendezvous:
                    foreach (var value in message.Rendezvous.Values)
                    {
                        work.GiveRendezvous(value);
                    }

                    break;
                case V1.CoordinatorMessage.KindOneofCase.Goodbye:
                    End(message.Goodbye);
                    break;
                default:
                    logger.Warning("The coordinator sent a message that this worker does not know");
                    break;
            }
        }
    }

    private static void End(V1.Goodbye goodbye) => throw (goodbye.Final
        ? new AgentRefusedException(goodbye.Reason)
        : new AgentProtocolException($"the coordinator said goodbye: {goodbye.Reason}"));

    // One who sends: rendezvous values at once, telemetry in batches, the status when it has changed and as heartbeat.
    private async Task SendAsync(IClientStreamWriter<V1.AgentMessage> stream, CancellationToken cancellationToken)
    {
        var (published, telemetry) = (0L, 0L);
        var (lastStatus, lastTelemetry) = (0L, 0L);
        var change = 2;
        while (true)
        {
            while (work.NextPublished(published) is { } next)
            {
                await stream.WriteAsync(new V1.AgentMessage { Rendezvous = next.Value }, cancellationToken);
                published = next.Number;
            }

            // Before the telemetry, which may be much: others wait for the news that a rank has gone.
            change = Math.Max(change, work.TakeChange());
            var statusWait = (change switch { 2 => TimeSpan.Zero, 1 => AgentPace.Progress, _ => _heartbeat }) - Stopwatch.GetElapsedTime(lastStatus);
            if (statusWait <= TimeSpan.Zero)
            {
                var leaving = work.Mode != AgentMode.Working && work.IsIdle;
                var status = work.Status();
                _gpuReadings = work.Gpus.AddTo(status, _gpuReadings);
                _machineReadings = work.Machine.AddTo(status, _machineReadings);
                await stream.WriteAsync(new V1.AgentMessage { Status = status }, cancellationToken);
                (change, lastStatus, statusWait) = (0, Stopwatch.GetTimestamp(), _heartbeat);
                work.HasSaidItsEnd |= leaving;
            }

            var telemetryWait = AgentPace.Telemetry - Stopwatch.GetElapsedTime(lastTelemetry);
            while (telemetryWait <= TimeSpan.Zero && MaySendTelemetry() && work.Telemetry.Next(telemetry, AgentPace.TelemetryItems, TelemetryBytes, TelemetryWindow) is { } batch)
            {
                await stream.WriteAsync(new V1.AgentMessage { Telemetry = batch }, cancellationToken);
                telemetry = batch.Sequence;
                _unacknowledged.Enqueue(telemetry);
                lastTelemetry = Stopwatch.GetTimestamp();
            }

            if (work.HasSaidItsEnd && work.Telemetry.IsEmpty)
            {
                await stream.CompleteAsync();
                return;
            }

            var moreTelemetry = telemetryWait > TimeSpan.Zero && telemetryWait < statusWait;
            await work.Signal.WaitAsync(moreTelemetry ? telemetryWait : statusWait, cancellationToken);
        }
    }

    // A coordinator that is slow to record is not sent so much that it has to hang up. An acknowledgement wakes the sender.
    private bool MaySendTelemetry()
    {
        while (_unacknowledged.TryPeek(out var sequence) && sequence <= work.Telemetry.Acknowledged)
        {
            _unacknowledged.Dequeue();
        }

        return _unacknowledged.Count < AgentPace.UnacknowledgedMessages;
    }
}

/// <summary>The other side of the connection does not do as agreed; it is tried again.</summary>
internal sealed class AgentProtocolException(string message) : Exception(message);

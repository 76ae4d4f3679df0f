using Grpc.Core;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>The client side of an agent's stream, which does what the test says and nothing else.</summary>
internal sealed class FakeAgent : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly AsyncDuplexStreamingCall<Proto.AgentMessage, Proto.CoordinatorMessage> _call;

    public FakeAgent(TestCoordinator coordinator, string? token = null)
    {
        token ??= coordinator.Host.JoinToken;
        var headers = token.Length == 0 ? [] : new Metadata { { MetadataNames.Authorization, MetadataNames.BearerPrefix + token } };
        _call = new Proto.Agents.AgentsClient(coordinator.Channel).Connect(headers);
    }

    public static Proto.Hello Hello(string name = "w1", int slots = 2, string? instance = null) => new()
    {
        ProtocolVersion = ProtocolVersion.Current,
        Name = name,
        InstanceId = instance ?? Guid.NewGuid().ToString(),
        Host = "host-of-" + name,
        ProcessId = 17,
        Address = "127.0.0.1",
        Slots = { Enumerable.Range(0, slots).Select(number => new Proto.SlotOffer { Number = number, Device = "cpu" }) },
    };

    /// <summary>Says hello and the first status, and returns the welcome.</summary>
    public async Task<Proto.Welcome> JoinAsync(string name = "w1", int slots = 2, string? instance = null)
    {
        await SendAsync(Hello(name, slots, instance));
        var welcome = (await ReadAsync()).Welcome;
        welcome.ShouldNotBeNull();
        await SendAsync(new Proto.Status());
        return welcome;
    }

    public Task SendAsync(Proto.Hello hello) => SendAsync(new Proto.AgentMessage { Hello = hello });

    public Task SendAsync(Proto.Status status) => SendAsync(new Proto.AgentMessage { Status = status });

    public Task SendAsync(Proto.Telemetry telemetry) => SendAsync(new Proto.AgentMessage { Telemetry = telemetry });

    public Task SendAsync(Proto.AgentMessage message) => _call.RequestStream.WriteAsync(message);

    public Task CompleteAsync() => _call.RequestStream.CompleteAsync();

    public async Task<Proto.CoordinatorMessage> ReadAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        (await _call.ResponseStream.MoveNext(patience.Token)).ShouldBeTrue("the stream has ended");
        return _call.ResponseStream.Current;
    }

    /// <summary>Reads until a message fits.</summary>
    public async Task<Proto.CoordinatorMessage> ReadUntilAsync(Func<Proto.CoordinatorMessage, bool> fits)
    {
        while (true)
        {
            var message = await ReadAsync();
            if (fits(message))
                return message;
        }
    }

    /// <summary>Reads to the stream's end.</summary>
    public async Task<List<Proto.CoordinatorMessage>> ReadToEndAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var messages = new List<Proto.CoordinatorMessage>();
        while (await _call.ResponseStream.MoveNext(patience.Token))
            messages.Add(_call.ResponseStream.Current);
        return messages;
    }

    public void Dispose() => _call.Dispose();
}

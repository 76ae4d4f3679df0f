using System.Net;
using System.Net.Sockets;
using System.Text;
using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Lets others connect, and never says a word.</summary>
internal sealed class SilentPeer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public SilentPeer() => _listener.Start();

    public string Endpoint
        => $"127.0.0.1 {((IPEndPoint)_listener.LocalEndpoint).Port} 00112233445566778899aabbccddeeff";

    public void Dispose() => _listener.Dispose();
}

/// <summary>A store of two ranks that gives one of them a fixed endpoint for the other.</summary>
internal sealed class StoreThatTells(string endpoint, int rank) : IRendezvousStore
{
    private readonly InMemoryRendezvousStore _own = new();
    private int _reads;

    public ManualResetEventSlim AllRead { get; } = new();

    public void Set(string key, ReadOnlySpan<byte> value) => _own.Set(key, value);

    public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var value = key.EndsWith($"/{rank}", StringComparison.Ordinal)
            ? _own.Get(key, timeout, cancellationToken)
            : Encoding.UTF8.GetBytes(endpoint);
        if (++_reads == 2)
        {
            AllRead.Set();
        }

        return value;
    }
}

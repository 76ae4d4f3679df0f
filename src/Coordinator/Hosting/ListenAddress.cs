using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Linformer.Coordinator.Hosting;

/// <summary>Where the coordinator listens.</summary>
/// <param name="Address">The IP address.</param>
/// <param name="Port">The port; 0 to have one chosen.</param>
public sealed record ListenAddress(IPAddress Address, int Port)
{
    /// <summary>Whether only this machine can reach it.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>Reads <c>HOST:PORT</c>. HOST is an IP address (IPv6 in brackets), <c>localhost</c>, or <c>*</c> for all addresses.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static ListenAddress Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port > IPEndPoint.MaxPort)
        {
            throw Wrong(text);
        }
        var host = text[..colon];
        return host switch
        {
            "localhost" => new ListenAddress(IPAddress.Loopback, port),
            "*" => new ListenAddress(IPAddress.IPv6Any, port),
            _ when host.StartsWith('[') == host.EndsWith(']') && host.StartsWith('[') == host.Contains(':') && IPAddress.TryParse(host.Trim('[', ']'), out var address) =>
                new ListenAddress(address, port),
            _ => throw Wrong(text),
        };
    }

    /// <summary>Checks that all can be listened on at this moment, together.</summary>
    /// <exception cref="IOException">One cannot; the message names it and says why.</exception>
    public static void CheckFree(IReadOnlyList<ListenAddress> addresses)
    {
        var sockets = new List<Socket>();
        try
        {
            foreach (var address in addresses)
            {
                var socket = new Socket(address.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                if (address.Address.Equals(IPAddress.IPv6Any))
                    socket.DualMode = true;
                address.Bind(socket);
            }
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    /// <inheritdoc/>
    public override string ToString() => new IPEndPoint(Address, Port).ToString();

    private void Bind(Socket socket)
    {
        try
        {
            socket.Bind(new IPEndPoint(Address, Port));
            socket.Listen(1);
        }
        catch (SocketException exception)
        {
            var why = exception.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "another program listens there. Stop that one, or choose another port.",
                SocketError.AddressNotAvailable => "this machine has no such address. Choose one that it has, or '*' for all.",
                SocketError.AccessDenied => "the system does not allow it. Choose a port from 1024 on.",
                _ => exception.Message,
            };
            throw new IOException($"The coordinator cannot listen on {this}: {why}", exception);
        }
    }

    private static FormatException Wrong(string text) => new(
        $"'{text}' is not an address to listen on; HOST:PORT is needed, with an IP address, 'localhost' or '*' as HOST and 0 to {IPEndPoint.MaxPort} as PORT.");
}

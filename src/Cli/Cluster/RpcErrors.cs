using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Cluster;

/// <summary>Says what went wrong in a call, and what to do about it.</summary>
internal static class RpcErrors
{
    /// <summary>The error for people; lines of it are separated by line feeds.</summary>
    /// <param name="error">What the call ended with.</param>
    /// <param name="addresses">Whom it was made to.</param>
    public static string Explain(RpcException error, CoordinatorAddresses addresses)
    {
        var address = addresses.Words;
        var detail = error.Status.Detail.TrimEnd();
        if (TlsFailures.Explain(error.Status.DebugException) is { } tls)
            return $"No connection with the coordinator at {address}: {tls.Why}.\n{tls.Advice}";
        return error.StatusCode switch
        {
            // An exception behind the status means that it was made on this side of the wire.
            StatusCode.Unavailable when error.Status.DebugException is not null || detail.Length == 0 =>
                addresses.All.Count > 1
                    ? $"No coordinator answers at {address}: none is active at the moment, as when all are down or their database is away.\nTheir logs say why; name others with --coordinator HOST:PORT,HOST:PORT (or LINFORMER_COORDINATOR)."
                    : $"No coordinator answers at {address}{Reason(error.Status.DebugException)}.\n{(IsHere(addresses.All[0].Host) ? "Start one with ./linformer up, or name" : "Is it running there? Check the address, or name")} another with --coordinator HOST:PORT (or LINFORMER_COORDINATOR).",
            StatusCode.Unauthenticated =>
                $"{Or(detail, $"The coordinator at {address} asks for a token")}\nGive your token with --token-file FILE, or in LINFORMER_TOKEN.",
            StatusCode.DeadlineExceeded or StatusCode.Cancelled => $"The coordinator at {address} did not answer in time; try again.",
            StatusCode.Unimplemented =>
                $"What answers at {address} does not know this call: it is no coordinator, or one of another version.",
            StatusCode.Unknown or StatusCode.Internal when error.Status.DebugException is HttpRequestException =>
                $"What answers at {address} is no coordinator: it does not speak gRPC.\nName the coordinator with --coordinator HOST:PORT (or LINFORMER_COORDINATOR).",
            StatusCode.Unknown or StatusCode.Internal or StatusCode.DataLoss =>
                $"The coordinator at {address} failed: {Or(detail, "it does not say why")}\nIts log may say more.",
            _ => Or(detail, $"The coordinator at {address} refused the call ({error.StatusCode})."),
        };
    }

    // What the resolver or the socket says.
    private static string Reason(Exception? error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException socket)
                return $": {socket.Message.TrimEnd('.')}";
        }

        return "";
    }

    private static bool IsHere(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static string Or(string text, string otherwise) => text.Length > 0 ? text : otherwise;
}

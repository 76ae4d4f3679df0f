using System.Net.Sockets;
using Linformer.Coordinator;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Cli.Hosting;

/// <summary>Starts a coordinator in this process.</summary>
internal static class CoordinatorStart
{
    /// <summary>Starts it; what commonly goes wrong is said in plain words.</summary>
    /// <param name="options">Where it works and listens.</param>
    /// <param name="logger">Its log.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="CommandException">A port is taken, or an address is not this machine's.</exception>
    public static async Task<CoordinatorHost> StartAsync(CoordinatorOptions options, ILogger logger, CancellationToken cancellation)
    {
        var listen = string.Join(", ", options.Listen);
        try
        {
            Directory.CreateDirectory(options.DataFolder);
            return await CoordinatorHost.StartAsync(options, logger, cancellation);
        }
        catch (Exception error) when (error is not StorageException && SocketErrorOf(error) is { } socketError)
        {
            throw new CommandException(socketError switch
            {
                SocketError.AddressAlreadyInUse => $"The port of {listen} is taken by another program, perhaps by another coordinator. Choose another one with --listen HOST:PORT.",
                SocketError.AddressNotAvailable => $"{listen} is not an address of this machine. Choose one of its own with --listen HOST:PORT.",
                SocketError.AccessDenied => $"This user may not listen at {listen}. Choose a port above 1023 with --listen HOST:PORT.",
                _ => $"The coordinator cannot listen at {listen}: {error.Message}",
            });
        }
    }

    private static SocketError? SocketErrorOf(Exception? error) => error switch
    {
        null => null,
        SocketException socket => socket.SocketErrorCode,
        _ when error.GetType().Name == "AddressInUseException" => SocketError.AddressAlreadyInUse,
        _ => SocketErrorOf(error.InnerException),
    };
}

using Grpc.Core;
using Linformer.Cli.Cluster;

namespace Linformer.Cli.Screens;

/// <summary>Shows a cluster on the whole terminal, live, and the jobs that are chosen there.</summary>
/// <param name="client">The connection.</param>
/// <param name="screen">The terminal.</param>
internal sealed class TopScreen(CoordinatorClient client, TerminalScreen screen)
{
    private const int Page = 10;
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    private readonly TopFeed _feed = new(client);
    private TopState _state = new() { Notice = "asking the coordinator …" };

    /// <summary>Shows it until it is left.</summary>
    /// <param name="cancellation">Ends it.</param>
    public async Task RunAsync(CancellationToken cancellation)
    {
        _state = (await _feed.ReadAsync(_state, cancellation)).Move(0);
        var reading = ReadAsync(cancellation);
        (TopState State, (int Width, int Height) Size)? drawn = null;
        while (true)
        {
            if (reading.IsCompleted)
            {
                var read = await reading;
                _state = read with { Order = _state.Order, Only = _state.Only, Selected = _state.Selected };
                _state = _state.Shown.Any(job => job.Id == _state.Selected) ? _state : _state.Move(0);
                reading = ReadAsync(cancellation);
            }

            while (screen.Key() is { } key)
            {
                if (key.Key is ConsoleKey.Q or ConsoleKey.Escape)
                    return;
                if (key.Key == ConsoleKey.Enter && _state.Selected.Length > 0)
                {
                    await WatchAsync(_state.Selected, cancellation);
                    drawn = null;
                }

                _state = Press(key.Key);
            }

            var size = TerminalScreen.Size;
            if (drawn != (_state, size))
                screen.Draw(TopLayout.Compose(_state, size.Width, size.Height, DateTime.UtcNow));
            drawn = (_state, size);
            await Task.Delay(Tick, cancellation);
        }
    }

    private TopState Press(ConsoleKey key) => key switch
    {
        ConsoleKey.UpArrow or ConsoleKey.K => _state.Move(-1),
        ConsoleKey.DownArrow or ConsoleKey.J => _state.Move(1),
        ConsoleKey.PageUp => _state.Move(-Page),
        ConsoleKey.PageDown => _state.Move(Page),
        ConsoleKey.S => _state.NextOrder(),
        ConsoleKey.F => _state.NextFilter().Move(0),
        _ => _state,
    };

    private async Task<TopState> ReadAsync(CancellationToken cancellation)
    {
        await Task.Delay(Refresh, cancellation);
        var state = _state;
        try
        {
            return await _feed.ReadAsync(state, cancellation);
        }
        catch (RpcException error) when (error.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Cancelled && !cancellation.IsCancellationRequested)
        {
            return state with { Notice = $"No coordinator answers at {client.Addresses.Words}; what is shown is from before. Trying again …" };
        }
    }

    private async Task WatchAsync(string job, CancellationToken cancellation)
    {
        try
        {
            await new WatchScreen(client, screen).RunAsync(job, log: false, stays: true, cancellation);
        }
        catch (RpcException error) when (!cancellation.IsCancellationRequested)
        {
            _state = _state with { Notice = RpcErrors.Explain(error, client.Addresses) };
        }
    }
}

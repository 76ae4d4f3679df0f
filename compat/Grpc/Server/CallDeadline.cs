using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>Ends a call with DEADLINE_EXCEEDED when its time is over, while its handler may still run.</summary>
internal sealed class CallDeadline : IAsyncDisposable
{
    private readonly HttpContext _http;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _cancellation;
    private readonly Timer _timer;
    private readonly Lock _lock = new();
    private Task? _exceeding;
    private bool _ended;

    public CallDeadline(HttpContext http, TimeSpan timeout, ILogger log)
    {
        _http = http;
        _log = log;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        Deadline = DateTime.UtcNow + timeout;
        _timer = new Timer(_ => OnTimer());
        _timer.Change(DueTime(), Timeout.InfiniteTimeSpan);
    }

    public DateTime Deadline { get; }

    public CancellationToken CancellationToken => _cancellation.Token;

    public bool IsPast
    {
        get
        {
            lock (_lock)
            {
                return _exceeding != null;
            }
        }
    }

    /// <summary>False if the deadline was first; then the call's end is sent already.</summary>
    public async Task<bool> TryEndCallAsync()
    {
        lock (_lock)
        {
            if (_exceeding == null)
            {
                _ended = true;
                return true;
            }
        }
        await _exceeding;
        return false;
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        _cancellation.Dispose();
    }

    /// <summary>Timers take 49 days at most, so a long deadline takes several.</summary>
    private TimeSpan DueTime()
    {
        var left = Deadline - DateTime.UtcNow;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < TimeSpan.FromDays(1) ? left : TimeSpan.FromDays(1);
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            if (_ended || _exceeding != null)
            {
                return;
            }
            if (DateTime.UtcNow < Deadline)
            {
                _timer.Change(DueTime() + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                return;
            }
            _exceeding = Task.Run(ExceedAsync);
        }
    }

    /// <summary>The response is completed before the stream is reset, so that the client sees the status.</summary>
    private async Task ExceedAsync()
    {
        try
        {
            Responses.SetStatus(_http.Response, new Status(StatusCode.DeadlineExceeded, "Deadline Exceeded"));
            await _http.Response.CompleteAsync();
        }
        catch (Exception e)
        {
            // The handler may be starting the response right now; the reset says enough then.
            _log.LogDebug(e, "The status of a call that has exceeded its deadline could not be sent");
        }
        try
        {
            _http.Features.Get<IHttpResetFeature>()?.Reset(Wire.ResetCancel);
            await _cancellation.CancelAsync();
        }
        catch (Exception e)
        {
            _log.LogError(e, "A call that has exceeded its deadline could not be cancelled");
        }
    }
}

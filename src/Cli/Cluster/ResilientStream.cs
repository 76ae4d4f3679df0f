using System.Runtime.CompilerServices;
using Grpc.Core;

namespace Linformer.Cli.Cluster;

/// <summary>Reads a stream of the coordinator and connects again when it breaks off.</summary>
internal static class ResilientStream
{
    private const int MostServerErrors = 10;
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(2);

    /// <summary>The messages of a stream, for as long as it takes. An error before the first message is thrown.</summary>
    /// <param name="open">Opens the stream after what was read so far.</param>
    /// <param name="isOver">Whether all was said; told whether the stream ended well.</param>
    /// <param name="note">Told when the connection breaks off and when it is back.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static async IAsyncEnumerable<T> ReadAsync<T>(
        Func<AsyncServerStreamingCall<T>> open, Func<bool, bool> isOver, Action<string> note, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var answered = false;
        var failures = 0; // since the last message
        while (true)
        {
            using var call = open();
            var endedWell = false;
            while (true)
            {
                var more = false;
                try
                {
                    more = await call.ResponseStream.MoveNext(cancellation);
                    endedWell = !more;
                }
                catch (RpcException error) when (answered && !cancellation.IsCancellationRequested && MayPass(error.StatusCode, failures))
                {
                }

                if (!more)
                    break;
                if (failures > 0)
                    note("Connected again.");
                (answered, failures) = (true, 0);
                yield return call.ResponseStream.Current;
            }

            if (isOver(endedWell))
                yield break;
            if (failures++ == 0)
                note("The connection to the coordinator broke off; the job goes on without it. Trying again …");
            await Task.Delay(Delay(failures), cancellation);
        }
    }

    // A coordinator that goes away ends its streams with any of these; one that stays and fails each time is not asked for ever.
    private static bool MayPass(StatusCode status, int failures) => status switch
    {
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => true,
        StatusCode.Cancelled or StatusCode.Aborted or StatusCode.Internal or StatusCode.Unknown => failures < MostServerErrors,
        _ => false,
    };

    private static TimeSpan Delay(int failures) =>
        TimeSpan.FromTicks(Math.Min(LongestDelay.Ticks, FirstDelay.Ticks << Math.Min(failures - 1, 10)));
}

using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.TestRank;

/// <summary>Ways in which a rank ends that it should not.</summary>
internal static class Failures
{
    /// <summary>Ends in the way of a name.</summary>
    /// <returns>The exit code; null when there is no way of that name.</returns>
    public static int? Run(string name, RankControl control)
    {
        switch (name)
        {
            case "crash":
                for (var line = 1; line <= 30; line++)
                {
                    Console.Error.WriteLine($"line {line} of the log");
                }

                Console.Error.Write("the last words");
                return 3;
            case "exception":
                throw new InvalidOperationException("the tensor has no shape");
            case "abort":
                Native.Abort();
                return 0;
            case "segmentation-fault":
                Native.Crash();
                return 0;
            case "failed":
                control.Send(new FailedMessage("the loss is NaN at step 7"));
                return 1;
            case "failed-for-good":
                control.Send(new FailedMessage("the corpus is too small", Permanent: true));
                return 1;
            case "failed-with-long-lines":
                for (var line = 1; line <= 30; line++)
                {
                    Console.Error.WriteLine("😀" + new string('x', 3000));
                }

                control.Send(new FailedMessage(new string('é', 10_000)));
                return 1;
            case "failed-long":
                control.ReportFailed(new string('é', 5 << 20));
                return 1;
            case "peer-lost":
                control.RendezvousGet("alive", 7, TimeSpan.FromSeconds(60));
                control.Send(new FailedMessage("the connection was closed", PeerLost: true));
                return 1;
            case "crash-after-its-job":
                control.Send(new FinishedMessage("{}"));
                Native.Abort();
                return 0;
            default:
                return null;
        }
    }
}

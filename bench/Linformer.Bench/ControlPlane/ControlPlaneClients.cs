using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Protocol.V1;

namespace Linformer.Bench.ControlPlane;

/// <summary>People who submit jobs and look at one while the cluster works.</summary>
internal sealed class ControlPlaneClients(string endpoint, LoadCounts counts) : IDisposable
{
    private const int Points = 1000;
    private const int SubmitsAtOnce = 4;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(endpoint);

    /// <summary>From sending a job file to the answer.</summary>
    public Latencies Submissions { get; } = new();

    /// <summary>The metrics of a long job, brought together.</summary>
    public Latencies Ranges { get; } = new();

    /// <summary>An answer for which nothing is read or computed: how long whatever comes has to wait for a processor.</summary>
    public Latencies Calls { get; } = new();

    /// <summary>Submits many jobs.</summary>
    public async Task SubmitAllAsync(IEnumerable<SubmitRequest> requests, CancellationToken cancellationToken) =>
        await Parallel.ForEachAsync(
            requests,
            new ParallelOptions { MaxDegreeOfParallelism = SubmitsAtOnce, CancellationToken = cancellationToken },
            async (request, cancellation) => await new Jobs.JobsClient(_channel).SubmitAsync(request, cancellationToken: cancellation));

    /// <summary>Submits short jobs at a steady rate until it is cancelled, however long the answers take.</summary>
    public async Task SubmitSteadilyAsync(int perSecond, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / perSecond));
        var running = new List<Task>();
        for (var number = 0; await TicksAsync(timer, cancellationToken); number++)
            running.Add(SubmitAsync(ControlPlaneJobs.ShortJob(number), cancellationToken));
        await Task.WhenAll(running);
    }

    /// <summary>Looks at a job's metrics and makes empty calls until it is cancelled.</summary>
    /// <param name="job">The job; null for none.</param>
    /// <param name="http">Calls the HTTP API.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task LookAsync(string? job, HttpClient http, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LookInterval);
        while (await TicksAsync(timer, cancellationToken))
        {
            try
            {
                var called = Stopwatch.GetTimestamp();
                using (await http.GetAsync(new Uri("/healthz", UriKind.Relative), cancellationToken))
                    Calls.AddSince(called);
                if (job is null)
                    continue;
                var began = Stopwatch.GetTimestamp();
                await new Jobs.JobsClient(_channel).MetricRangeAsync(new MetricRangeRequest { Job = job, Points = Points }, cancellationToken: cancellationToken);
                Ranges.AddSince(began);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>How often a worker was lost, and how many are now.</summary>
    public async Task<int> LostAsync(CancellationToken cancellationToken)
    {
        var lost = await new Cluster.ClusterClient(_channel).EventsAsync(
            new EventsRequest { Kinds = { "worker" }, Contains = "lost", PageSize = 1000, Newest = true }, cancellationToken: cancellationToken);
        return lost.Events.Count(one => one.What == "lost");
    }

    public void Dispose() => _channel.Dispose();

    private async Task SubmitAsync(SubmitRequest request, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            var answer = await new Jobs.JobsClient(_channel).SubmitAsync(request, cancellationToken: cancellationToken);
            Submissions.AddSince(began);
            counts.Submitted(answer.Job.Id, began);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // Measured.
        }
        catch (RpcException error)
        {
            counts.Breaks($"a submission: {error.Status.Detail}");
        }
    }

    private static async Task<bool> TicksAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}

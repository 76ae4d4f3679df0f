using System.Diagnostics;
using Google.Protobuf;
using Linformer.Cli.Cluster;
using Linformer.Cli.Hosting;
using Linformer.Cli.Progress;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Demo;

/// <summary>What came of the demo's job.</summary>
/// <param name="Last">The job, as it was last heard of.</param>
/// <param name="FirstStep">From the submission to the first step; null if it was not this run that submitted it.</param>
internal sealed record DemoOutcome(WatchEvent Last, TimeSpan? FirstStep);

/// <summary>Runs the demo's job on a cluster of its own on this machine.</summary>
/// <param name="context">How to write.</param>
/// <param name="storageRoot">The storage root.</param>
/// <param name="httpListen">Where the dashboard is served.</param>
internal sealed class DemoCluster(CommandContext context, string storageRoot, IReadOnlyList<string> httpListen)
{
    private const int Workers = 2;
    private const string Submitter = "demo";

    /// <summary>
    /// Submits the job, or goes on with one of an earlier run that was stopped, and watches it to its end. When it is
    /// cancelled, the ranks write a checkpoint before the cluster ends.
    /// </summary>
    /// <param name="jobFile">The job file.</param>
    /// <param name="cancellation">Stops the cluster.</param>
    /// <returns>What came of it; null if it was stopped.</returns>
    public async Task<DemoOutcome?> RunAsync(string jobFile, CancellationToken cancellation)
    {
        var options = new LocalClusterOptions { DataFolder = storageRoot, Listen = ["127.0.0.1:0"], HttpListen = httpListen, Workers = Workers };
        await using var log = HostLog.CreateFile(Path.Combine(storageRoot, "coordinator", "demo.log"));
        using var progress = context.StartProgress();
        await using var cluster = await LocalCluster.StartAsync(options, log, cancellation);
        if (cluster.Dashboard is { } dashboard)
            progress.Note($"Dashboard: {dashboard}");
        using var client = new CoordinatorClient(CoordinatorAddresses.Of(cluster.Address), token: null);
        try
        {
            return await RunAsync(client, progress, jobFile, cancellation);
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            progress.Note("Stopping: the ranks write a checkpoint. A second Ctrl-C ends at once.");
            return null;
        }
    }

    private static async Task<DemoOutcome> RunAsync(CoordinatorClient client, IProgressReporter progress, string jobFile, CancellationToken cancellation)
    {
        await WaitForWorkersAsync(client, cancellation);
        var submitted = Stopwatch.GetTimestamp();
        var (job, isNew) = await FindOrSubmitAsync(client, progress, jobFile, cancellation);
        TimeSpan? firstStep = null;
        WatchEvent? last = null;
        using var display = new WatchDisplay(progress);
        await foreach (var change in JobWatch.EventsAsync(client, job, progress.Note, cancellation))
        {
            display.Show(last = change);
            if (isNew && firstStep is null && change.Job.AppliedStep > 0)
            {
                firstStep = Stopwatch.GetElapsedTime(submitted);
                progress.Note($"First step {ProgressText.Duration(firstStep.Value)} after the submission");
            }
        }

        return new DemoOutcome(last!, firstStep);
    }

    // With fewer workers the job would start with fewer ranks, and give other numbers than the time before.
    private static async Task WaitForWorkersAsync(CoordinatorClient client, CancellationToken cancellation)
    {
        while (true)
        {
            var response = await client.Workers.ListAsync(new ListWorkersRequest(), client.Call(cancellation));
            if (response.Workers.Count(worker => worker.Alive) >= Workers)
                return;
            await Task.Delay(50, cancellation);
        }
    }

    private static async Task<(string Job, bool IsNew)> FindOrSubmitAsync(
        CoordinatorClient client, IProgressReporter progress, string jobFile, CancellationToken cancellation)
    {
        var request = new SubmitRequest
        {
            JobFile = ByteString.CopyFrom(await File.ReadAllBytesAsync(jobFile, cancellation)),
            IdempotencyKey = $"{Guid.NewGuid()}",
            Submitter = Submitter,
            Source = Path.GetFileName(jobFile),
        };
        if (await FindStoppedAsync(client, request, cancellation) is { } stopped)
        {
            progress.Note($"Going on with {stopped.Id}, which was stopped after step {stopped.AppliedStep:#,0}");
            if (stopped.State == JobState.Paused)
                await client.Jobs.ResumeAsync(new ChangeRequest { Job = stopped.Id, Who = Submitter }, client.Call(cancellation));
            return (stopped.Id, false);
        }

        var response = await client.SubmitAsync(request, progress.Note, cancellation);
        progress.Note($"Submitted {response.Job.Id} to a coordinator with {Workers} workers on this machine");
        return (response.Job.Id, true);
    }

    // One with the same settings; where the example has changed since, the demo begins anew.
    private static async Task<Job?> FindStoppedAsync(CoordinatorClient client, SubmitRequest request, CancellationToken cancellation)
    {
        var check = new SubmitRequest(request) { DryRun = true };
        var settings = (await client.SubmitAsync(check, _ => { }, cancellation)).ResolvedJob;
        var list = new ListJobsRequest { States = { JobState.Queued, JobState.Preparing, JobState.Running, JobState.Paused } };
        foreach (var job in (await client.Jobs.ListAsync(list, client.Call(cancellation))).Jobs.Where(job => Words.Person(job.Submitter) == Submitter))
        {
            var details = await client.Jobs.ShowAsync(new ShowJobRequest { Job = job.Id }, client.Call(cancellation));
            if (details.JobFile == settings)
                return details.Job;
        }

        return null;
    }
}

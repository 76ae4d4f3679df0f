using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Services.Watching;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>The calls that stream. Each reads pages by a cursor, and holds one page at most.</summary>
internal sealed partial class JobsService
{
    private const int LinesPerRead = 500;
    private const int MetricsPage = 1000;

    // A rank's last lines may come after its job's end.
    private static readonly TimeSpan LateLines = TimeSpan.FromSeconds(1);

    public override async Task Watch(Proto.WatchRequest request, IServerStreamWriter<Proto.WatchEvent> responseStream, ServerCallContext context)
    {
        if (request.AfterHistory < 0)
            throw Refusal.Invalid($"after_history is {request.AfterHistory}; 0 or more are allowed.");
        using var place = streams.Enter(Principal.Of(context));
        using var stop = Stopping(context);
        var jobId = await reader.ResolveAsync(request.Job, stop.Token);
        using var subscription = feeds.Subscribe(jobId);
        await new JobWatcher(jobId, subscription.Feed, history, responseStream, request.AfterHistory).RunAsync(stop.Token);
    }

    public override async Task Logs(Proto.LogsRequest request, IServerStreamWriter<Proto.LogLine> responseStream, ServerCallContext context)
    {
        if (request.After < 0 || request.Tail < 0 || request is { HasRank: true, Rank: < 0 })
            throw Refusal.Invalid($"after is {request.After}, tail {request.Tail}, rank {request.Rank}; 0 or more are allowed.");
        using var place = streams.Enter(Principal.Of(context));
        using var stop = Stopping(context);
        var jobId = await reader.ResolveAsync(request.Job, stop.Token);
        int? rank = request.HasRank ? request.Rank : null;
        var cursor = request.After;
        if (request.Tail > 0)
            cursor = Math.Max(cursor, await telemetry.LogTailAsync(jobId, rank, request.Tail, stop.Token));
        cursor = await SendLogsAsync(jobId, rank, cursor, responseStream, stop.Token);
        if (request.Follow)
            await FollowLogsAsync(jobId, rank, cursor, responseStream, stop.Token);
    }

    public override async Task Metrics(Proto.MetricsRequest request, IServerStreamWriter<Proto.MetricPoint> responseStream, ServerCallContext context)
    {
        if (request.AfterStep < 0)
            throw Refusal.Invalid($"after_step is {request.AfterStep}; 0 or more are allowed.");
        using var place = streams.Enter(Principal.Of(context));
        using var stop = Stopping(context);
        var jobId = await reader.ResolveAsync(request.Job, stop.Token);
        for (var step = request.AfterStep; ;)
        {
            var page = await telemetry.MetricsAfterAsync(jobId, step, MetricsPage, stop.Token);
            foreach (var row in page)
                await responseStream.WriteAsync(row.ToProto(), stop.Token);
            if (page.Count < MetricsPage)
                return;
            step = page[^1].Step;
        }
    }

    public override async Task Export(Proto.ExportRequest request, IServerStreamWriter<Proto.FileChunk> responseStream, ServerCallContext context)
    {
        using var place = streams.Enter(Principal.Of(context));
        using var stop = Stopping(context);
        var jobId = await reader.ResolveAsync(request.Job, stop.Token);
        var view = await reader.ViewAsync(jobId, stop.Token);
        if (view.Phase != JobPhase.Succeeded)
            throw Refusal.Precondition($"Job {jobId} is {view.Phase.ToString().ToLowerInvariant()}; only a job that has succeeded has a model to export.");
        await FolderExport.SendAsync($"the model of job {jobId}", options.DataFolder, JobFolders.Model(jobId), responseStream, stop.Token);
    }

    private async Task FollowLogsAsync(
        string jobId, int? rank, long cursor, IServerStreamWriter<Proto.LogLine> responseStream, CancellationToken cancellationToken)
    {
        using var subscription = feeds.Subscribe(jobId);
        var version = 0L;
        while (true)
        {
            var state = await subscription.Feed.NextAsync(version, cancellationToken);
            version = state.Version;
            if (state.Final)
                await Task.Delay(LateLines, cancellationToken);
            cursor = await SendLogsAsync(jobId, rank, cursor, responseStream, cancellationToken);
            if (state.Final)
                return;
        }
    }

    private async Task<long> SendLogsAsync(
        string jobId, int? rank, long cursor, IServerStreamWriter<Proto.LogLine> responseStream, CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await telemetry.LogsAfterAsync(jobId, rank, cursor, LinesPerRead, cancellationToken);
            foreach (var row in page)
                await responseStream.WriteAsync(row.ToProto(), cancellationToken);
            if (page.Count > 0)
                cursor = page[^1].Sequence;
            if (page.Count < LinesPerRead)
                return cursor;
        }
    }

    private CancellationTokenSource Stopping(ServerCallContext context) =>
        CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
}

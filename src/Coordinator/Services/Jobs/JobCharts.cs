using System.Collections.Concurrent;
using System.Collections.Immutable;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Telemetry of jobs for charts and pages. Each call answers a bounded message, however long the job is.</summary>
internal sealed class JobCharts(JobReader reader, ITelemetryReader telemetry)
{
    private const int DefaultPoints = 1000;
    private const int MostPoints = 4000;
    private const int DefaultSamples = 300;
    private const int MostSamples = 2000;
    private const int DefaultLines = 200;
    private const int MostLines = 2000;
    private const int MaxContains = 256;
    private const int MostLossLinePoints = 100;
    private const int ShownGenerations = 1000;
    private const int KeptLossLines = 2000;

    // A line stays what it is until the job takes another step.
    private readonly ConcurrentDictionary<(string JobId, int Points), (Proto.MetricPoint Newest, ImmutableArray<double> Line)> _lines = new();

    /// <summary>See the method of the service.</summary>
    public async Task<Proto.MetricRangeResponse> MetricRangeAsync(Proto.MetricRangeRequest request, CancellationToken cancellationToken)
    {
        CheckRange(request.FromStep, request.ToStep);
        CheckPoints(request.Points, MostPoints, DefaultPoints);
        TelemetryMapping.CheckSeries(request.Series);
        var jobId = await reader.ResolveAsync(request.Job, cancellationToken);
        var points = request.Points == 0 ? DefaultPoints : request.Points;
        var range = await telemetry.MetricRangeAsync(jobId, request.FromStep, request.ToStep, points, cancellationToken);
        var response = range.ToProto(jobId, request.Series);
        if (request.Evaluations)
            response.Evaluations.AddRange((await telemetry.EvaluationsAsync(jobId, request.FromStep, request.ToStep, points, cancellationToken)).Select(JobMapping.ToProto));
        return response;
    }

    /// <summary>See the method of the service.</summary>
    public async Task<Proto.RankSamplesResponse> RankSamplesAsync(Proto.RankSamplesRequest request, CancellationToken cancellationToken)
    {
        CheckRange(request.FromStep, request.ToStep);
        CheckPoints(request.Points, MostSamples, DefaultSamples);
        CheckRank(request.HasRank, request.Rank);
        var jobId = await reader.ResolveAsync(request.Job, cancellationToken);
        var rows = await telemetry.RankSamplesAsync(
            jobId, request.HasRank ? request.Rank : null, request.FromStep, request.ToStep, request.Points == 0 ? DefaultSamples : request.Points, cancellationToken);
        return new Proto.RankSamplesResponse { JobId = jobId, Samples = { rows.Select(TelemetryMapping.ToProto) } };
    }

    /// <summary>See the method of the service.</summary>
    public async Task<Proto.LogPageResponse> LogPageAsync(Proto.LogPageRequest request, CancellationToken cancellationToken)
    {
        if (request.Before < 0 || request.After < 0 || request is { Before: > 0, After: > 0 })
            throw Refusal.Invalid($"before is {request.Before}, after {request.After}; 0 or more are allowed, and only one of them above 0.");
        if (request.PageSize is < 0 or > MostLines)
            throw Refusal.Invalid($"page_size is {request.PageSize}; 1 to {MostLines:#,0} are allowed, and 0 for {DefaultLines}.");
        if (request.Contains.Length > MaxContains)
            throw Refusal.Invalid($"contains has {request.Contains.Length:#,0} characters; at most {MaxContains} are allowed.");
        CheckRank(request.HasRank, request.Rank);
        var jobId = await reader.ResolveAsync(request.Job, cancellationToken);
        var query = new LogQuery(
            jobId, request.HasRank ? request.Rank : null, request.Contains, request.Before, request.After, request.PageSize == 0 ? DefaultLines : request.PageSize);
        var page = await telemetry.LogPageAsync(query, cancellationToken);
        return new Proto.LogPageResponse { JobId = jobId, Lines = { page.Lines.Select(JobMapping.ToProto) }, More = page.More, LookedTo = page.LookedTo };
    }

    /// <summary>The newest generations that have taken a step, oldest first.</summary>
    public async Task<IEnumerable<Proto.Generation>> GenerationsAsync(string jobId, CancellationToken cancellationToken) =>
        (await telemetry.GenerationsAsync(jobId, ShownGenerations, cancellationToken)).Select(TelemetryMapping.ToProto);

    /// <summary>Checks how many points a list's loss lines are to have.</summary>
    /// <exception cref="Grpc.Core.RpcException">They are out of range.</exception>
    public static void CheckLossLine(int points)
    {
        if (points is < 0 or > MostLossLinePoints)
            throw Refusal.Invalid($"loss_line_points is {points}; 0 to {MostLossLinePoints} are allowed.");
    }

    /// <summary>Gives jobs that have their newest numbers their loss lines.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="points">The most points of each; 0 for none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task AddLossLinesAsync(IReadOnlyCollection<Proto.Job> jobs, int points, CancellationToken cancellationToken)
    {
        if (points == 0)
            return;
        var drawn = jobs.Where(job => job.LastMetrics is not null).ToList();
        var stale = drawn.Where(job => !_lines.TryGetValue((job.Id, points), out var kept) || !kept.Newest.Equals(job.LastMetrics)).ToList();
        if (stale.Count > 0)
        {
            var lines = await telemetry.LossLinesAsync([.. stale.Select(job => job.Id)], points, cancellationToken);
            if (_lines.Count > KeptLossLines)
                _lines.Clear();
            for (var i = 0; i < stale.Count; i++)
                _lines[(stale[i].Id, points)] = (stale[i].LastMetrics, lines[i]);
        }
        foreach (var job in drawn)
        {
            if (_lines.TryGetValue((job.Id, points), out var kept))
                job.LossLine.AddRange(kept.Line);
        }
    }

    private static void CheckRange(long from, long to)
    {
        if (from < 0 || to < 0 || (to > 0 && to < from))
            throw Refusal.Invalid($"from_step is {from}, to_step {to}; 0 or more are allowed, and to_step 0 or from_step at least.");
    }

    private static void CheckPoints(int points, int most, int otherwise)
    {
        if (points < 0 || points > most)
            throw Refusal.Invalid($"points is {points}; 1 to {most:#,0} are allowed, and 0 for {otherwise:#,0}.");
    }

    private static void CheckRank(bool has, int rank)
    {
        if (has && rank < 0)
            throw Refusal.Invalid($"rank is {rank}; 0 or more are allowed.");
    }
}

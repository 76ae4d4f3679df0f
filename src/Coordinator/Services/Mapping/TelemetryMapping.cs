using Google.Protobuf.WellKnownTypes;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Metrics;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>Telemetry as charts show it.</summary>
internal static class TelemetryMapping
{
    private static readonly (string Name, Func<MetricBucket, SeriesSummary> Of)[] AllSeries =
    [
        ("loss", bucket => bucket.Loss),
        ("learningRate", bucket => bucket.LearningRate),
        ("tokensPerSecond", bucket => bucket.TokensPerSecond),
        ("gradientNorm", bucket => bucket.GradientNorm),
        ("heldOutLoss", bucket => bucket.HeldOutLoss),
        ("worldSize", bucket => bucket.WorldSize),
    ];

    /// <summary>The range with the series that are asked for; all where none is.</summary>
    public static Proto.MetricRangeResponse ToProto(this MetricRange range, string jobId, IReadOnlyCollection<string> series)
    {
        var response = new Proto.MetricRangeResponse { JobId = jobId, StepsPerBucket = range.StepsPerBucket, OldestStep = range.Oldest, NewestStep = range.Newest };
        foreach (var bucket in range.Buckets)
        {
            response.FirstStep.Add(bucket.FirstStep);
            response.LastStep.Add(bucket.LastStep);
            response.Count.Add(bucket.Steps);
            response.At.Add(bucket.At.ToUnixTimeMilliseconds());
        }
        response.Series.AddRange(AllSeries.Where(one => series.Count == 0 || series.Contains(one.Name)).Select(one => ToProto(one.Name, range.Buckets.Select(one.Of))));
        return response;
    }

    /// <summary>Checks the names of series.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none of such a name.</exception>
    public static void CheckSeries(IEnumerable<string> names)
    {
        if (names.FirstOrDefault(name => !Array.Exists(AllSeries, one => one.Name == name)) is { } unknown)
            throw Refusal.Invalid($"series has {Refusal.Show(unknown)}; {string.Join(", ", AllSeries.Select(one => one.Name))} are allowed.");
    }

    public static Proto.RankSample ToProto(this RankSampleRow row) => new()
    {
        Lineage = row.Lineage,
        Generation = row.Generation,
        Rank = row.Rank,
        Member = (int)row.Member,
        Worker = row.Worker,
        Step = row.Step,
        At = row.At.ToTimestamp(),
        Steps = row.Steps,
        DataMilliseconds = row.DataMilliseconds,
        ForwardMilliseconds = row.ForwardMilliseconds,
        BackwardMilliseconds = row.BackwardMilliseconds,
        ReduceMilliseconds = row.ReduceMilliseconds,
        UpdateMilliseconds = row.UpdateMilliseconds,
        OtherMilliseconds = row.OtherMilliseconds,
        MemoryBytes = row.MemoryBytes,
        PeakMemoryBytes = row.PeakMemoryBytes,
        GpuMemoryBytes = row.GpuMemoryBytes,
    };

    public static Proto.Generation ToProto(this GenerationRow row) => new()
    {
        Lineage = row.Lineage,
        Generation_ = row.Generation,
        WorldSize = row.WorldSize,
        StartedAt = row.StartedAt.ToTimestamp(),
        FirstStep = row.FirstStep,
    };

    private static Proto.MetricSeries ToProto(string name, IEnumerable<SeriesSummary> buckets)
    {
        var series = new Proto.MetricSeries { Name = name };
        foreach (var bucket in buckets)
        {
            series.Min.Add(bucket.Minimum);
            series.Mean.Add(bucket.Mean);
            series.Max.Add(bucket.Maximum);
        }
        return series;
    }
}

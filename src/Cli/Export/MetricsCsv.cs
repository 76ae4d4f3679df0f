using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Export;

/// <summary>
/// Metrics as comma-separated values by RFC 4180. What a step has not is empty, and NaN is "NaN": pandas and R read both as missing
/// numbers, and "Infinity" as one.
/// </summary>
internal static class MetricsCsv
{
    private const string End = "\r\n";

    /// <summary>The first line of a table of steps.</summary>
    public const string StepsHead = "step,at,lineage,generation,worldSize,loss,learningRate,tokensPerSecond,gradientNorm,heldOutLoss" + End;

    /// <summary>The first line of a table of measures: what evaluations tell beside the loss, such as accuracy.</summary>
    public const string MeasuresHead = "step,measure,value" + End;

    /// <summary>The first line of a table of what ranks have measured of themselves.</summary>
    public const string SamplesHead =
        "step,rank,at,lineage,generation,member,worker,steps,dataMilliseconds,forwardMilliseconds,backwardMilliseconds,reduceMilliseconds,"
        + "updateMilliseconds,otherMilliseconds,memoryBytes,peakMemoryBytes,gpuMemoryBytes" + End;

    /// <summary>A step as a line.</summary>
    public static string Line(MetricPoint point) => string.Create(
        CultureInfo.InvariantCulture,
        $"{point.Step},{Time(point.At)},{point.Lineage},{point.Generation},{point.WorldSize},{point.Loss:R},{point.LearningRate:R},{point.TokensPerSecond:R},{(point.HasGradientNorm ? point.GradientNorm : null):R},{(point.HasHeldOutLoss ? point.HeldOutLoss : null):R}{End}");

    /// <summary>The measures of a step, a line each, in the order of their names; empty when it was not evaluated.</summary>
    public static string MeasureLines(MetricPoint point) => string.Concat(point.Measures
        .OrderBy(measure => measure.Key, StringComparer.Ordinal)
        .Select(measure => string.Create(CultureInfo.InvariantCulture, $"{point.Step},{Text(measure.Key)},{measure.Value:R}{End}")));

    /// <summary>A sample as a line.</summary>
    public static string Line(RankSample sample) => string.Create(
        CultureInfo.InvariantCulture,
        $"{sample.Step},{sample.Rank},{Time(sample.At)},{sample.Lineage},{sample.Generation},{sample.Member},{Text(sample.Worker)},{sample.Steps},{sample.DataMilliseconds:R},{sample.ForwardMilliseconds:R},{sample.BackwardMilliseconds:R},{sample.ReduceMilliseconds:R},{sample.UpdateMilliseconds:R},{sample.OtherMilliseconds:R},{sample.MemoryBytes},{sample.PeakMemoryBytes},{sample.GpuMemoryBytes}{End}");

    private static string Time(Timestamp? time) => time?.ToDateTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) ?? "";

    private static string Text(string text) => text.AsSpan().ContainsAny("\",\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}

using System.Runtime.CompilerServices;
using Linformer.Cli.Cluster;
using Linformer.Cli.Progress;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Export;

/// <summary>Files in which a job's metrics are exported.</summary>
internal enum MetricsFormat
{
    /// <summary>Comma-separated values.</summary>
    Csv,

    /// <summary>An event file of TensorBoard.</summary>
    TensorBoard,
}

/// <summary>Writes the metrics of a job, whether or not it has ended, as files. However many there are, few are in memory at once.</summary>
/// <param name="client">The connection.</param>
/// <param name="format">Which files.</param>
/// <param name="folder">Where to.</param>
/// <param name="progress">Where it is shown how it goes.</param>
internal sealed class MetricsExport(CoordinatorClient client, MetricsFormat format, string folder, IProgressReporter progress)
{
    private const int ReportEvery = 1000;
    private const int MostTries = 5;

    // The most that the coordinator answers at once: samples of a rank, and of all ranks.
    private const int MostSamples = 2000;
    private const int MostSamplesInAll = 20_000;

    /// <summary>Writes the files.</summary>
    /// <param name="job">The job's id or name.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>The job's id, how many steps there are, and how many samples of ranks.</returns>
    /// <exception cref="CommandException">There are no metrics.</exception>
    public async Task<(string JobId, long Steps, long Samples)> RunAsync(string job, CancellationToken cancellation)
    {
        var details = await ShowAsync(job, cancellation);
        for (var tries = 1; ; tries++)
        {
            var range = await client.Jobs.MetricRangeAsync(
                new MetricRangeRequest { Job = details.Job.Id, Points = 1, Series = { "loss" } }, client.Call(cancellation));
            if (range.NewestStep == 0)
                throw new CommandException($"{details.Job.Id} has taken no step yet; there are no metrics to export.");
            var (steps, samples) = format == MetricsFormat.Csv
                ? (await StepsCsvAsync(range, cancellation), await SamplesCsvAsync(details, range, cancellation))
                : (await EventsAsync(details, range, cancellation), 0);

            // What was read before training went back does not count any more, but is in the files.
            var (before, after) = (details.Job.Lineage, await ShowAsync(details.Job.Id, cancellation));
            if (after.Job.Lineage == before || tries == MostTries)
                return (details.Job.Id, steps, samples);
            details = after;
            progress.Note("Training went back meanwhile; the export begins again.");
        }
    }

    private async Task<JobDetails> ShowAsync(string job, CancellationToken cancellation) =>
        await client.Jobs.ShowAsync(new ShowJobRequest { Job = job }, client.Call(cancellation));

    private async Task<long> StepsCsvAsync(MetricRangeResponse range, CancellationToken cancellation)
    {
        await using var file = Create("metrics.csv");
        await using var measures = Create("measures.csv");
        await file.WriteAsync(MetricsCsv.StepsHead);
        await measures.WriteAsync(MetricsCsv.MeasuresHead);
        return await ForEachAsync(
            range,
            async point =>
            {
                await file.WriteAsync(MetricsCsv.Line(point));
                await measures.WriteAsync(MetricsCsv.MeasureLines(point));
            },
            cancellation);
    }

    private async Task<long> EventsAsync(JobDetails details, MetricRangeResponse range, CancellationToken cancellation)
    {
        // Of a try before.
        foreach (var old in Directory.EnumerateFiles(folder))
            File.Delete(old);
        await using var file = await EventFile.CreateAsync(folder, DateTime.UtcNow, cancellation);
        await file.AddTextAsync("job_file", details.JobFile, details.Job.SubmittedAt, cancellation);
        return await ForEachAsync(range, point => file.AddAsync(point, cancellation), cancellation);
    }

    private async Task<long> ForEachAsync(MetricRangeResponse range, Func<MetricPoint, Task> write, CancellationToken cancellation)
    {
        using var phase = progress.StartPhase("Exporting metrics", "steps", range.NewestStep - range.OldestStep + 1);
        var count = 0L;
        await foreach (var point in PointsAsync(range.JobId, cancellation))
        {
            await write(point);
            if (++count % ReportEvery == 0)
                phase.Report(count, Math.Max(range.NewestStep, point.Step) - range.OldestStep + 1);
        }

        phase.Report(count, count);
        phase.Complete();
        return count;
    }

    private async IAsyncEnumerable<MetricPoint> PointsAsync(string jobId, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var after = 0L;
        var points = ResilientStream.ReadAsync(
            () => client.Jobs.Metrics(new MetricsRequest { Job = jobId, AfterStep = after }, client.Stream(cancellation)),
            endedWell => endedWell, progress.Note, cancellation);
        await foreach (var point in points)
        {
            after = point.Step;
            yield return point;
        }
    }

    private async Task<long> SamplesCsvAsync(JobDetails details, MetricRangeResponse range, CancellationToken cancellation)
    {
        using var phase = progress.StartPhase("Exporting samples of ranks", "steps", range.NewestStep - range.OldestStep + 1);
        await using var file = Create("samples.csv");
        await file.WriteAsync(MetricsCsv.SamplesHead);
        var count = 0L;

        // In so short a range, the coordinator leaves none out.
        var ranks = details.Generations.Select(generation => generation.WorldSize).Append(details.Job.WorldSize).Append(1).Max();
        var width = Math.Clamp(MostSamplesInAll / ranks, 1, MostSamples);
        for (var from = range.OldestStep; from <= range.NewestStep; from += width)
        {
            var to = Math.Min(from + width - 1, range.NewestStep);
            var page = await client.Jobs.RankSamplesAsync(
                new RankSamplesRequest { Job = range.JobId, FromStep = from, ToStep = to, Points = width }, client.Call(cancellation));
            foreach (var sample in page.Samples.OrderBy(sample => sample.Step).ThenBy(sample => sample.Rank))
                await file.WriteAsync(MetricsCsv.Line(sample));
            count += page.Samples.Count;
            phase.Report(to - range.OldestStep + 1);
        }

        phase.Complete();
        return count;
    }

    private StreamWriter Create(string name) => new(new FileStream(Path.Combine(folder, name), FileMode.Create, FileAccess.Write, FileShare.Read));
}

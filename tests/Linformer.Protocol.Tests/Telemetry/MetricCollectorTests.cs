using System.Diagnostics.Metrics;
using Linformer.Protocol.Telemetry;

namespace Linformer.Protocol.Tests.Telemetry;

public sealed class MetricCollectorTests : IDisposable
{
    private readonly object _scope = new();
    private readonly MetricCollector _collector;
    private readonly Meter _meter;

    public MetricCollectorTests()
    {
        _collector = new MetricCollector(_scope);
        _meter = new Meter(new MeterOptions("Linformer.Tests") { Scope = _scope });
    }

    public void Dispose()
    {
        _meter.Dispose();
        _collector.Dispose();
    }

    [Fact]
    public void A_counter_is_summed_by_its_labels()
    {
        var calls = _meter.CreateCounter<long>("calls", "{call}", "Calls that were answered");
        calls.Add(2, new("method", "List"), new("status", "OK"));
        calls.Add(3, new("status", "OK"), new("method", "List"));
        calls.Add(1, new("method", "List"), new("status", "NOT_FOUND"));

        Text().ShouldContain(
            """
            # HELP calls_total Calls that were answered
            # TYPE calls_total counter
            calls_total{method="List",status="NOT_FOUND"} 1
            calls_total{method="List",status="OK"} 5

            """);
    }

    [Fact]
    public void Histograms_have_cumulative_buckets_with_their_own_bounds()
    {
        var duration = _meter.CreateHistogram("pass.duration", "s", "A pass", tags: null, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1, 2] });
        foreach (var seconds in (double[])[0.5, 0.75, 1, 5, double.NaN])
            duration.Record(seconds);

        Text().ShouldContain(
            """
            # TYPE pass_duration_seconds histogram
            pass_duration_seconds_bucket{le="0.5"} 1
            pass_duration_seconds_bucket{le="1"} 3
            pass_duration_seconds_bucket{le="2"} 3
            pass_duration_seconds_bucket{le="+Inf"} 4
            pass_duration_seconds_sum 7.25
            pass_duration_seconds_count 4

            """);
        Text(PrometheusFormat.OpenMetrics).ShouldContain("le=\"1.0\"");
    }

    [Fact]
    public void What_is_not_observed_any_more_is_gone_and_what_is_added_stays()
    {
        Measurement<double>[] jobs = [new(1.5, new KeyValuePair<string, object?>("job.id", "a")), new(double.NaN, new KeyValuePair<string, object?>("job.id", "b"))];
        _meter.CreateObservableGauge("job.loss", () => jobs, "{nat}", "The loss");
        var open = _meter.CreateUpDownCounter<int>("open", description: "Open calls");
        var set = _meter.CreateGauge<double>("set", description: "What is set");
        open.Add(3);
        open.Add(-1);
        set.Record(3);
        set.Record(2.5);
        Text().ShouldContain("job_loss{job_id=\"a\"} 1.5\njob_loss{job_id=\"b\"} NaN\n");
        jobs = [jobs[0]];

        var text = Text();

        text.ShouldContain("job_loss{job_id=\"a\"} 1.5\n");
        text.ShouldNotContain("job_id=\"b\"");
        text.ShouldContain("# TYPE open gauge\nopen 2\n");
        text.ShouldContain("\nset 2.5\n");
    }

    [Fact]
    public void Hostile_labels_and_descriptions_are_escaped()
    {
        _meter.CreateCounter<long>("hostile", description: "a \\ and\na \"line\"").Add(1, new("job.name", "x\"} 1\nevil{a=\"\\"), new("__a", "é\ud800"), new("a-b", "1"), new("a.b", "2"));

        Text().ShouldContain(
            """
            # HELP hostile_total a \\ and\na "line"
            # TYPE hostile_total counter
            hostile_total{_a="é�",a_b="1;2",job_name="x\"} 1\nevil{a=\"\\"} 1

            """);
        Text(PrometheusFormat.OpenMetrics).ShouldContain("# HELP hostile a \\\\ and\\na \\\"line\\\"\n");
    }

    [Theory]
    [InlineData("memory", "By", "memory_bytes")]
    [InlineData("memory.bytes", "By", "memory_bytes")]
    [InlineData("io", "By/s", "io_bytes_per_second")]
    [InlineData("tokens", "{token}/s", "tokens_per_second")]
    [InlineData("used", "1", "used_ratio")]
    [InlineData("9lives", "{life}", "_9lives")]
    [InlineData("thread.count", "{thread}", "thread")]
    public void Gauges_end_with_their_unit(string instrument, string unit, string name)
    {
        _meter.CreateObservableGauge(instrument, () => 1, unit, "A gauge");

        Text().ShouldContain($"\n{name} 1\n");
    }

    [Fact]
    public void A_counter_in_OpenMetrics_is_a_family_without_the_suffix()
    {
        _meter.CreateCounter<double>("cpu.time", "s", "Time").Add(0.25);

        Text(PrometheusFormat.OpenMetrics).ShouldContain("# HELP cpu_time_seconds Time\n# TYPE cpu_time_seconds counter\n# UNIT cpu_time_seconds seconds\ncpu_time_seconds_total 0.25\n");
        Text(PrometheusFormat.OpenMetrics).ShouldEndWith("# EOF\n");
    }

    [Fact]
    public void Labels_without_end_are_counted_in_one_series()
    {
        var counter = _meter.CreateCounter<long>("endless");
        for (var i = 0; i < MetricCollector.MostSeries + 10; i++)
            counter.Add(1, new KeyValuePair<string, object?>("i", i));

        var family = _collector.Collect().Single(family => family.Name == "endless");

        family.Series.Count.ShouldBe(MetricCollector.MostSeries + 1);
        family.Series.Single(series => series.Labels == MetricLabels.Overflow).Value.ShouldBe(10);
        Text().ShouldContain("endless_total{otel_metric_overflow=\"true\"} 10\n");
    }

    [Fact]
    public void A_name_is_told_once()
    {
        _meter.CreateCounter<long>("a.b").Add(1);
        _meter.CreateCounter<long>("a_b").Add(1);
        _meter.CreateObservableGauge("a.b", () => 7);
        using var other = new Meter(new MeterOptions("Linformer.Other") { Scope = _scope, Tags = [new("worker", "w1")] });
        other.CreateCounter<long>("a.b").Add(4);

        var lines = Text().Split('\n').Where(line => line.Contains("a_b", StringComparison.Ordinal)).ToList();

        lines.ShouldBe(["# HELP a_b_total a.b", "# TYPE a_b_total counter", "a_b_total 1", "a_b_total{worker=\"w1\"} 4"]);
    }

    [Fact]
    public void Other_meters_and_those_of_other_parts_of_the_process_are_left_out()
    {
        using var foreign = new Meter("Foreign");
        using var elsewhere = new Meter(new MeterOptions("Linformer.Tests") { Scope = new object() });
        using var shared = new Meter("Linformer.Shared");
        foreign.CreateCounter<long>("foreign").Add(1);
        elsewhere.CreateCounter<long>("elsewhere").Add(1);
        shared.CreateCounter<long>("shared").Add(1);

        var text = Text();

        text.ShouldContain("shared_total 1");
        text.ShouldNotContain("foreign");
        text.ShouldNotContain("elsewhere");
        text.ShouldContain("# TYPE dotnet_gc_collections_total counter");
    }

    [Fact]
    public void A_callback_that_fails_takes_nothing_else_along()
    {
        _meter.CreateObservableGauge("broken", Fail);
        _meter.CreateObservableGauge("whole", () => 1);

        Text().ShouldContain("\nwhole 1\n");
        Text().ShouldNotContain("broken");
    }

    [Fact]
    public void A_counter_whose_meter_ends_keeps_its_count()
    {
        using var first = new Meter(new MeterOptions("Linformer.Again") { Scope = _scope });
        first.CreateCounter<long>("again").Add(2);
        first.CreateObservableGauge("present", () => 1);
        first.Dispose();
        using var second = new Meter(new MeterOptions("Linformer.Again") { Scope = _scope });
        second.CreateCounter<long>("again").Add(3);

        Text().ShouldContain("again_total 5\n");
        Text().ShouldNotContain("present");
    }

    [Theory]
    [InlineData(null, PrometheusFormat.Text)]
    [InlineData("*/*", PrometheusFormat.Text)]
    [InlineData("text/plain", PrometheusFormat.Text)]
    [InlineData("application/openmetrics-text", PrometheusFormat.OpenMetrics)]
    [InlineData("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", PrometheusFormat.OpenMetrics)]
    [InlineData("application/openmetrics-text; version=0.0.1, text/plain; q=0.1", PrometheusFormat.Text)]
    [InlineData("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.9", PrometheusFormat.Text)]
    [InlineData("application/openmetrics-text; q=0", PrometheusFormat.Text)]
    [InlineData("nonsense;;q=;=,,", PrometheusFormat.Text)]
    public void The_format_is_what_the_reader_likes_best(string? accept, PrometheusFormat format) => PrometheusFormats.Choose(accept).ShouldBe(format);

    private static int Fail() => throw new InvalidOperationException("broken");

    private string Text(PrometheusFormat format = PrometheusFormat.Text) => PrometheusText.Write(_collector.Collect(), format);
}

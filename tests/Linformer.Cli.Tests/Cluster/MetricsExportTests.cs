using System.Diagnostics;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Linformer.Protocol.V1;
using Status = Grpc.Core.Status;

namespace Linformer.Cli.Tests.Cluster;

public sealed class MetricsExportTests : ClusterTest
{
    private readonly List<MetricPoint> _points = [];

    private string Target => Path.Combine(Folder, "numbers");

    public MetricsExportTests()
    {
        var job = TinyJob();
        Coordinator.Jobs.OnShow = _ => new JobDetails { Job = job, JobFile = "{\n  \"name\": \"**tiny**\"\n}" };
        Coordinator.Jobs.OnMetricRange = _ => new MetricRangeResponse
        {
            JobId = "tiny-abcde",
            OldestStep = _points.Count > 0 ? _points[0].Step : 0,
            NewestStep = _points.Count > 0 ? _points[^1].Step : 0,
        };
        Coordinator.Jobs.OnRankSamples = request => new RankSamplesResponse { JobId = "tiny-abcde" };
        Coordinator.Jobs.OnMetrics = async (request, send) =>
        {
            foreach (var point in _points.Where(point => point.Step > request.AfterStep))
                await send(point);
        };
    }

    [Fact]
    public async Task Csv_has_a_line_per_step_and_leaves_empty_what_is_not_there()
    {
        _points.AddRange([Point(1), Point(2), Point(3)]);
        (_points[0].GradientNorm, _points[0].HeldOutLoss) = (0.1, double.PositiveInfinity);
        (_points[1].Loss, _points[2].Lineage, _points[2].Generation) = (double.NaN, 1, 4);
        _points[0].Measures.Add("f1", 0.25);
        _points[0].Measures.Add("accuracy", 0.5);
        _points[2].Measures.Add("accuracy", double.NaN);

        (await Run("export", "tiny", "--metrics", "csv", "--to", Target)).ShouldBe(0);

        (await File.ReadAllTextAsync(Path.Combine(Target, "metrics.csv"))).ShouldBe(
            "step,at,lineage,generation,worldSize,loss,learningRate,tokensPerSecond,gradientNorm,heldOutLoss\r\n"
            + "1,2026-11-22T12:00:01.250Z,0,2,2,5.1,1E-05,9000,0.1,Infinity\r\n"
            + "2,2026-11-22T12:00:02.250Z,0,2,2,NaN,1E-05,9000,,\r\n"
            + "3,2026-11-22T12:00:03.250Z,1,4,2,5.3,1E-05,9000,,\r\n");
        (await File.ReadAllTextAsync(Path.Combine(Target, "measures.csv"))).ShouldBe("step,measure,value\r\n1,accuracy,0.5\r\n1,f1,0.25\r\n3,accuracy,NaN\r\n");
        Directory.GetFileSystemEntries(Folder).ShouldBe([Target]);
        Lines()[0].ShouldStartWith("Exported the metrics of 3 steps, ");
    }

    [Fact]
    public async Task Samples_of_ranks_come_in_ranges_so_short_that_none_is_left_out()
    {
        _points.AddRange([Point(1), Point(4500)]);
        Coordinator.Jobs.OnRankSamples = request => new RankSamplesResponse
        {
            Samples = { Sample(request.FromStep, 0), Sample(request.ToStep, 0), Sample(request.FromStep, 1) },
        };

        (await Run("export", "tiny", "--metrics", "csv", "--to", Target, "--output", "json")).ShouldBe(0);

        var lines = (await File.ReadAllTextAsync(Path.Combine(Target, "samples.csv"))).Split("\r\n");
        lines[0].ShouldStartWith("step,rank,at,lineage,generation,member,worker,steps,dataMilliseconds");
        lines[1].ShouldBe("1,0,2026-11-22T12:00:00.000Z,0,0,7,\"a, \"\"b\"\"\",10,0.5,0,0,0,0,0,123,0,0");
        lines[1..^1].Select(line => string.Join('/', line.Split(',')[..2])).ShouldBe(
            ["1/0", "1/1", "2000/0", "2001/0", "2001/1", "4000/0", "4001/0", "4001/1", "4500/0"]);
        Json().GetProperty("samples").GetInt64().ShouldBe(9);
        Json().GetProperty("files").EnumerateArray().Select(file => file.GetProperty("path").GetString()).ShouldBe(["measures.csv", "metrics.csv", "samples.csv"]);
        Coordinator.Jobs.Requests.OfType<RankSamplesRequest>().ShouldAllBe(request => request.ToStep - request.FromStep < request.Points && request.Points == 2000);
    }

    [Fact]
    public async Task TensorBoards_file_is_read_by_a_reader_of_its_own()
    {
        _points.AddRange([Point(1), Point(2), Point(3), Point(300)]);
        (_points[0].GradientNorm, _points[0].HeldOutLoss) = (0.5, 6);
        (_points[1].Loss, _points[1].TokensPerSecond) = (double.NaN, 0); // left out
        _points[2].Loss = double.PositiveInfinity;

        (await Run("export", "tiny", "--metrics", "tensorboard", "--to", Target)).ShouldBe(0);

        var file = Directory.GetFiles(Target).Single();
        Path.GetFileName(file).ShouldMatch(@"^events\.out\.tfevents\.\d{10}\.[A-Za-z0-9.-]+$");
        var events = await ReadAsync(file);
        events.Count.ShouldBe(6);
        events[0].GetProperty("version").GetString().ShouldBe("brain.Event:2");
        events[1].GetProperty("plugin").GetString().ShouldBe("text");
        events[1].GetProperty("job_file").GetString().ShouldBe("    {\n      \"name\": \"**tiny**\"\n    }\n");
        events[2].GetProperty("wallTime").GetDouble().ShouldBe(new DateTimeOffset(Noon).ToUnixTimeSeconds() + 1.25);
        events.Skip(2).Select(item => item.GetProperty("step").GetInt64()).ShouldBe([1, 2, 3, 300]);
        Names(events[2]).ShouldBe(["loss/train", "tokens_per_second", "loss/held_out", "learning_rate", "gradient_norm", "world_size"]);
        Names(events[3]).ShouldBe(["learning_rate", "world_size"]);
        events[2].GetProperty("loss/train").GetDouble().ShouldBe((float)5.1);
        events[2].GetProperty("loss/held_out").GetDouble().ShouldBe(6);
        events[2].GetProperty("gradient_norm").GetDouble().ShouldBe(0.5);
        events[2].GetProperty("learning_rate").GetDouble().ShouldBe((float)1e-5);
        events[2].GetProperty("tokens_per_second").GetDouble().ShouldBe(9000);
        events[2].GetProperty("world_size").GetDouble().ShouldBe(2);
        events[4].GetProperty("loss/train").GetString().ShouldBe("inf");
    }

    [Fact]
    public async Task What_was_read_before_training_went_back_is_not_in_the_files()
    {
        _points.AddRange([Point(1), Point(2), Point(3)]);
        var shown = 0;
        Coordinator.Jobs.OnShow = _ =>
        {
            var job = TinyJob();
            if (++shown > 1)
                (job.Lineage, _points[1].Loss, _points[1].Lineage) = (1, 4, 1);
            if (shown == 2)
                _points.RemoveAt(2);
            return new JobDetails { Job = job };
        };

        (await Run("export", "tiny", "--metrics", "csv", "--to", Target)).ShouldBe(0);

        (await File.ReadAllLinesAsync(Path.Combine(Target, "metrics.csv"))).Skip(1).Select(line => string.Join('/', line.Split(',')[0], line.Split(',')[5])).ShouldBe(["1/5.1", "2/4"]);
        Error.ToString().ShouldContain("Training went back meanwhile; the export begins again.");
    }

    [Fact]
    public async Task A_connection_that_breaks_off_costs_no_step()
    {
        _points.AddRange(Enumerable.Range(1, 50).Select(step => Point(step)));
        var calls = 0;
        Coordinator.Jobs.OnMetrics = async (request, send) =>
        {
            foreach (var point in _points.Where(point => point.Step > request.AfterStep).Take(20))
                await send(point);
            if (++calls < 3)
                throw new RpcException(new Status(StatusCode.Unavailable, "away"));
        };

        (await Run("export", "tiny", "--metrics", "csv", "--to", Target)).ShouldBe(0);

        (await File.ReadAllLinesAsync(Path.Combine(Target, "metrics.csv"))).Skip(1).Select(line => int.Parse(line.Split(',')[0])).ShouldBe(Enumerable.Range(1, 50));
    }

    [Fact]
    public async Task A_job_without_a_step_has_nothing_to_export()
    {
        (await Run("export", "tiny", "--metrics", "tensorboard", "--to", Target)).ShouldBe(1);

        Error.ToString().ShouldContain("error: tiny-abcde has taken no step yet; there are no metrics to export.");
        Directory.GetFileSystemEntries(Folder).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("--metrics is 'xml'; allowed are csv, tensorboard.", "--metrics", "xml")]
    [InlineData("--metrics and --checkpoint do not go together", "--metrics", "csv", "--checkpoint", "c")]
    public async Task Wrong_options_are_refused(string error, params string[] options)
    {
        (await Run(["export", "tiny", "--to", Target, .. options])).ShouldBe(1);

        Error.ToString().ShouldContain(error);
    }

    private static async Task<List<JsonElement>> ReadAsync(string file)
    {
        using var python = Process.Start(new ProcessStartInfo("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "read_events.py"), file])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = python.StandardError.ReadToEndAsync();
        var lines = await python.StandardOutput.ReadToEndAsync();
        await python.WaitForExitAsync();
        python.ExitCode.ShouldBe(0, await errors);
        return [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private static IEnumerable<string> Names(JsonElement item) => item.EnumerateObject().Select(property => property.Name).Skip(2);

    private static MetricPoint Point(long step) => new()
    {
        Generation = 2,
        Step = step,
        At = Timestamp.FromDateTime(Noon.AddSeconds(step + 0.25)),
        WorldSize = 2,
        Loss = Math.Round(5 + (step / 10.0), 1),
        LearningRate = 1e-5,
        TokensPerSecond = 9000,
    };

    private static RankSample Sample(long step, int rank) => new()
    {
        Step = step,
        Rank = rank,
        Member = 7,
        Worker = "a, \"b\"",
        Steps = 10,
        At = Timestamp.FromDateTime(Noon),
        DataMilliseconds = 0.5,
        MemoryBytes = 123,
    };
}

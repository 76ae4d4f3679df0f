using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Services.Agents;
using Linformer.Coordinator.Storage;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class CalmLogTests
{
    private readonly LogCollector _collector = new();
    private readonly HandTime _time = new();
    private readonly ILogger _log;

    public CalmLogTests() => _log = CalmLog.Over(_collector.Logger, _time);

    [Fact]
    public void A_condition_that_lasts_is_one_line_every_half_minute_without_a_stack()
    {
        for (var i = 0; i < 1000; i++)
            _log.Error(Thrown(new InvalidOperationException("wrapped", new StorageException("The disk is full."))), "Call of {Peer:l} failed", $"peer {i}");
        _collector.Lines.ShouldBe(["Call of peer 0 failed: The disk is full."]);
        _collector.Events[0].Exception.ShouldBeNull();

        _time.Pass(TimeSpan.FromSeconds(31));
        _log.Error(new StorageException("The disk is full."), "Call of {Peer:l} failed", "peer x");
        _collector.Lines[^1].ShouldBe("Call of peer x failed: The disk is full. (999 more like it since the last one)");
    }

    [Fact]
    public void Another_condition_is_written_at_once_and_the_unexpected_with_its_stack()
    {
        _log.Error(new StorageException("The disk is full."), "It failed");
        _log.Error(new StorageException("The database is locked."), "It failed");
        _log.Warning("Worker {Worker:l} waits", "w1");
        _log.Warning("Worker {Worker:l} waits", "w2");
        _log.Warning("Worker {Worker:l} waits", "w2");
        var unexpected = Thrown(new InvalidOperationException("a bug"));
        _log.Error(unexpected, "It failed");
        _collector.Lines.ShouldBe(
            ["It failed: The disk is full.", "It failed: The database is locked.", "Worker w1 waits", "Worker w2 waits", "It failed"]);
        _collector.Events[^1].Exception.ShouldBe(unexpected);
    }

    [Fact]
    public void News_is_written_each_time_and_the_other_logs_levels_hold()
    {
        _log.Information("Again");
        _log.Information("Again");
        _log.Debug("Not this");
        _log.ForContext(Serilog.Core.Constants.SourceContextPropertyName, "Quiet.Part").Warning("Nor this");
        _log.ForContext(Serilog.Core.Constants.SourceContextPropertyName, "Quiet.Part").Error("But this");
        _collector.Lines.ShouldBe(["Again", "Again", "But this"]);
    }

    [Fact]
    public void Dropped_telemetry_is_told_when_it_begins_and_now_and_then()
    {
        var losses = new TelemetryLosses("w1", _time, _collector.Logger);
        losses.Log(new Proto.Status());
        _collector.Lines.ShouldBeEmpty();
        for (var i = 1; i <= 10; i++)
            losses.Log(new Proto.Status { LostMetricPoints = i, LostLogLines = 2 * i });
        _time.Pass(TimeSpan.FromSeconds(31));
        losses.Log(new Proto.Status { LostMetricPoints = 10, LostLogLines = 20 });
        losses.Log(new Proto.Status { LostMetricPoints = 10, LostLogLines = 20 });
        _collector.Lines.Count.ShouldBe(2);
        _collector.Lines[0].ShouldContain("1 metric points and 2 log lines");
        _collector.Lines[1].ShouldContain("Worker w1 ");
        _collector.Lines[1].ShouldContain("10 metric points and 20 log lines");
    }

    private static Exception Thrown(Exception exception)
    {
        try
        {
            throw exception;
        }
        catch (Exception caught)
        {
            return caught;
        }
    }

    private sealed class HandTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Pass(TimeSpan time) => _ticks += time.Ticks;
    }
}

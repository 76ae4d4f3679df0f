using Linformer.Worker.Agents;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>What a rank measures, on its way through its agent.</summary>
public sealed class RankSampleTests
{
    private static readonly RankSampleMessage Good = new(5, 4, 100, 0.004, 0.008, 0.012, 0.016, 0.02, 0.024, 1000, 2000, 3, 7);

    [Fact]
    public void WhatNoRankCanMeasureIsKnown()
    {
        RankSampleMessage[] bad =
        [
            Good with { Step = 0 }, Good with { Steps = 0 }, Good with { Steps = -1 }, Good with { Tokens = -1 }, Good with { MemoryBytes = -1 }, Good with { PeakMemoryBytes = long.MinValue },
            Good with { DataSeconds = double.NaN }, Good with { ForwardSeconds = -1e-9 }, Good with { BackwardSeconds = double.PositiveInfinity },
            Good with { ReduceSeconds = 1e300 }, Good with { UpdateSeconds = double.NegativeInfinity }, Good with { OtherSeconds = double.NaN },
        ];
        bad.ShouldAllBe(message => !message.IsPossible);
        Good.IsPossible.ShouldBeTrue();
    }

    [Fact]
    public void AFullBufferDropsSamplesFirstAndCountsThem()
    {
        var buffer = new TelemetryBuffer(maximumItems: 5, maximumBytes: 1 << 20, () => { });
        for (var i = 1; i <= 3; i++)
        {
            buffer.Add(new V1.TelemetryItem { Metric = new V1.MetricPoint { Step = i } });
            buffer.Add(new V1.TelemetryItem { Sample = new V1.RankSample { Step = i } });
        }

        // Numbers 1, 3, 4, 5, 6: the first sample has gone.
        buffer.LostSamples.ShouldBe(1);
        buffer.Next(0, 100, 1 << 20, 1 << 20)!.Items.ShouldHaveSingleItem().Metric.Step.ShouldBe(1);
        var rest = buffer.Next(1, 100, 1 << 20, 1 << 20)!;
        (rest.Sequence, rest.Items.Count).ShouldBe((6, 4));
        rest.Items[1].Sample.Step.ShouldBe(2);
        rest.Items[1].Sample.At.ShouldBe(rest.Items[1].At);

        buffer.Acknowledge(4);
        buffer.Filled.Items.ShouldBe(2);
        for (var i = 4; i <= 8; i++)
        {
            buffer.Add(new V1.TelemetryItem { Metric = new V1.MetricPoint { Step = i } });
        }

        (buffer.LostSamples, buffer.LostMetricPoints, buffer.LostLogLines).ShouldBe((2, 1, 0));
        buffer.Next(6, 100, 1 << 20, 1 << 20)!.Items.Select(item => item.Metric.Step).ShouldBe([4L, 5, 6, 7, 8]);
        buffer.Acknowledge(11);
        buffer.Filled.ShouldBe((0, 0L));
    }
}

using Linformer.Training.Checkpoints;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>What a member tells that is to be recorded, as telemetry.</summary>
internal static class MemberTelemetry
{
    /// <summary>An item, or null when nothing of the message is to be recorded.</summary>
    /// <param name="message">The message.</param>
    /// <param name="state">What is known of the member now.</param>
    public static V1.TelemetryItem? Of(RankMessage message, MemberState state) => message switch
    {
        ProgressMessage progress => Metric(progress, state),
        RankSampleMessage sample => Sample(sample, state),
        CheckpointedMessage checkpoint => Checkpoint(checkpoint, state),
        WarningMessage warning => Stamp(new V1.TelemetryItem { Warning = warning.Message }, state),
        _ => null,
    };

    /// <summary>A log line.</summary>
    /// <param name="number">Its number in the member's log, from 1 on.</param>
    /// <param name="line">The line.</param>
    /// <param name="state">What is known of the member now.</param>
    public static V1.TelemetryItem Of(long number, string line, MemberState state) =>
        Stamp(new V1.TelemetryItem { Log = new V1.LogText { Number = number, Text = line } }, state);

    private static V1.TelemetryItem Stamp(V1.TelemetryItem item, MemberState state)
    {
        (item.Lineage, item.Generation, item.Rank) = (state.Lineage, state.Generation, state.Rank);
        return item;
    }

    // A step may be told when its generation is over, by a rank that has another number now.
    private static V1.TelemetryItem Metric(ProgressMessage progress, MemberState state)
    {
        var point = new V1.MetricPoint
        {
            Step = progress.Step,
            Lineage = progress.Lineage,
            Generation = progress.Generation,
            WorldSize = progress.WorldSize,
            Loss = progress.Loss,
            LearningRate = progress.LearningRate,
            TokensPerSecond = progress.TokensPerSecond,
        };
        if (progress.GradientNorm is { } norm)
        {
            point.GradientNorm = norm;
        }

        if (progress.HeldOutLoss is { } loss)
        {
            point.HeldOutLoss = loss;
        }

        point.Measures.Add(progress.Measures?.ToDictionary(StringComparer.Ordinal) ?? []);

        var item = Stamp(new V1.TelemetryItem { Metric = point }, state);
        (item.Lineage, item.Generation, item.Rank) = (progress.Lineage, progress.Generation, state.Told(progress.Generation)?.Rank ?? state.Rank);
        return item;
    }

    // One that no rank can have measured is worth less than the training of the rank that told it.
    private static V1.TelemetryItem? Sample(RankSampleMessage message, MemberState state)
    {
        if (!message.IsPossible || state.Told(message.Generation) is not { Rank: >= 0 } join)
        {
            return null;
        }

        double Mean(double seconds) => seconds * 1000 / message.Steps;
        var sample = new V1.RankSample
        {
            Lineage = join.Lineage,
            Generation = join.Generation,
            Rank = join.Rank,
            Step = message.Step,
            Steps = message.Steps,
            DataMilliseconds = Mean(message.DataSeconds),
            ForwardMilliseconds = Mean(message.ForwardSeconds),
            BackwardMilliseconds = Mean(message.BackwardSeconds),
            ReduceMilliseconds = Mean(message.ReduceSeconds),
            UpdateMilliseconds = Mean(message.UpdateSeconds),
            OtherMilliseconds = Mean(message.OtherSeconds),
            MemoryBytes = message.MemoryBytes,
            PeakMemoryBytes = message.PeakMemoryBytes,
        };
        return new V1.TelemetryItem { Sample = sample, Lineage = join.Lineage, Generation = join.Generation, Rank = join.Rank };
    }

    // The generation that wrote it, which may be over when it is on disk.
    private static V1.TelemetryItem Checkpoint(CheckpointedMessage message, MemberState state)
    {
        var written = new V1.CheckpointWritten { Name = message.Checkpoint, Step = message.Step, Bytes = message.Bytes };
        written.Deleted.AddRange(message.Deleted ?? []);
        var item = Stamp(new V1.TelemetryItem { Checkpoint = written }, state);
        if (CheckpointId.TryParse(message.Checkpoint, out var id))
        {
            (item.Lineage, item.Generation) = (id.Lineage, id.Generation);
        }

        return item;
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Training.Selection;

namespace Linformer.Training;

/// <summary>What travels beside the tensors of a state.</summary>
internal sealed record StateHeader(
    long Step, long Updates, double MeanLoss, long GoodLosses, IReadOnlyList<WorldSegment> World, byte[] Note, IReadOnlyList<EvaluationPoint>? Evaluations = null)
{
    private static readonly JsonSerializerOptions Options = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public static StateHeader Of(TrainerState state, ReadOnlySpan<byte> note) => new(
        state.Step, state.Updates, state.LossHistory.Mean, state.LossHistory.Count, state.World.Segments, note.ToArray(), state.Evaluations.OrNull);

    public static StateHeader FromJson(byte[] json) => JsonSerializer.Deserialize<StateHeader>(json, Options)!;

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Options);

    public TrainerState ToState() => new(Step, Updates, new LossHistory(MeanLoss, GoodLosses), new WorldHistory(World, Step))
    {
        Evaluations = EvaluationHistory.Of(Evaluations, Step),
    };
}

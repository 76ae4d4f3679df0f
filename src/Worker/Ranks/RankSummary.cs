using System.Text.Json;
using System.Text.Json.Serialization;

namespace Linformer.Worker.Ranks;

/// <summary>What rank 0 says of a job that is done.</summary>
/// <param name="Steps">Steps of the job.</param>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="HeldOutLoss">Mean loss per predicted held-out token, in nats.</param>
/// <param name="HeldOutPerplexity">e to the power of the loss.</param>
/// <param name="UnigramPerplexity">The perplexity, on the same held-out tokens, of their frequencies in the training text; NaN where the job predicts no tokens.</param>
/// <param name="PredictedTokens">Held-out tokens, or examples, that were predicted.</param>
/// <param name="ModelFolder">Where the model is.</param>
/// <param name="Measures">What else was measured, by name; null for nothing.</param>
/// <param name="BestStep">The step of the model, where the best one was kept rather than the last; null otherwise.</param>
public sealed record RankSummary(
    long Steps,
    long Parameters,
    double HeldOutLoss,
    double HeldOutPerplexity,
    double UnigramPerplexity,
    long PredictedTokens,
    string ModelFolder,
    IReadOnlyDictionary<string, double>? Measures = null,
    long? BestStep = null)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>Writes it for the control pipe.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Options);

    /// <summary>Reads it from the control pipe.</summary>
    /// <param name="json">What <see cref="ToJson"/> wrote.</param>
    public static RankSummary FromJson(string json) => JsonSerializer.Deserialize<RankSummary>(json, Options)!;
}

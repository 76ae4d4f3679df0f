using System.Text.Json;
using System.Text.Json.Serialization;

namespace Linformer.Worker.Ranks;

/// <summary>What rank 0 says of a job that is done.</summary>
/// <param name="Steps">Steps of the job.</param>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="HeldOutLoss">Mean loss per predicted held-out token, in nats.</param>
/// <param name="HeldOutPerplexity">e to the power of the loss.</param>
/// <param name="UnigramPerplexity">The perplexity, on the same held-out tokens, of their frequencies in the training text.</param>
/// <param name="PredictedTokens">Held-out tokens that were predicted.</param>
/// <param name="ModelFolder">Where the model is.</param>
public sealed record RankSummary(
    long Steps, long Parameters, double HeldOutLoss, double HeldOutPerplexity, double UnigramPerplexity, long PredictedTokens, string ModelFolder)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Writes it for the control pipe.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Options);

    /// <summary>Reads it from the control pipe.</summary>
    /// <param name="json">What <see cref="ToJson"/> wrote.</param>
    public static RankSummary FromJson(string json) => JsonSerializer.Deserialize<RankSummary>(json, Options)!;
}

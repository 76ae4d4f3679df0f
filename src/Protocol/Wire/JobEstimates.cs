using Proto = Linformer.Protocol.V1;

namespace Linformer.Protocol.Wire;

/// <summary>What a job takes, as a message.</summary>
public static class JobEstimates
{
    /// <summary>Puts it into a message; how long the job takes is left open.</summary>
    /// <param name="needs">What it takes.</param>
    public static Proto.JobEstimate ToMessage(this JobNeeds needs)
    {
        ArgumentNullException.ThrowIfNull(needs);
        return new()
        {
            Parameters = needs.Parameters,
            MemoryBytes = needs.MemoryBytes,
            ParameterBytes = needs.ParameterBytes,
            GradientBytes = needs.GradientBytes,
            OptimizerBytes = needs.OptimizerBytes,
            ActivationBytes = needs.ActivationBytes,
            ProcessBytes = needs.ProcessBytes,
            TokensPerStep = needs.TokensPerStep,
            TotalTokens = needs.TotalTokens,
            OperationsPerStep = needs.OperationsPerStep,
            FullAttentionRatio = needs.FullAttentionRatio,
        };
    }
}

using static TorchSharp.torch;

namespace Linformer.Training.Optimizers;

/// <summary>Settings of <see cref="OuterOptimizer"/>.</summary>
/// <param name="LearningRate">Of an outer step; 1 with a momentum of 0 takes over the mean of the ranks' parameters.</param>
/// <param name="Momentum">Of Nesterov's method, from 0 to below 1.</param>
public sealed record OuterOptimizerOptions(double LearningRate = 0.7, double Momentum = 0.9);

/// <summary>
/// The outer step of DiLoCo (Douillard et al. 2023, algorithm 1): ranks go on by themselves for a round, and the mean of how far they
/// have come, taken for a gradient, moves the parameters that they began with by Nesterov's method.
/// </summary>
/// <remarks>The inner optimizer's moments stay each rank's own.</remarks>
public sealed class OuterOptimizer : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly AdamW _inner;
    private readonly OuterOptimizerOptions _options;
    private readonly Tensor _start;
    private readonly Tensor _firstMoment;
    private readonly Tensor _secondMoment;

    /// <summary>Makes the optimizer with a momentum of zero.</summary>
    /// <param name="parameters">What it updates; their gradients are its working memory between two rounds.</param>
    /// <param name="inner">The optimizer of the steps of a round.</param>
    /// <param name="options">Its settings.</param>
    public OuterOptimizer(FlatParameters parameters, AdamW inner, OuterOptimizerOptions options)
    {
        (_parameters, _inner, _options) = (parameters, inner, options);
        Momentum = zeros_like(parameters.Values);
        _start = empty_like(parameters.Values);
        _firstMoment = empty_like(parameters.Values);
        _secondMoment = empty_like(parameters.Values);
    }

    /// <summary>Decaying sum of the outer gradients, laid out like <see cref="FlatParameters.Values"/>. The same on all ranks.</summary>
    public Tensor Momentum { get; }

    /// <summary>Remembers parameters and moments: a round begins.</summary>
    public void Begin()
    {
        using var noGrad = no_grad();
        _start.copy_(_parameters.Values);
        _firstMoment.copy_(_inner.FirstMoment);
        _secondMoment.copy_(_inner.SecondMoment);
    }

    /// <summary>Puts back what the round began with.</summary>
    public void Rewind()
    {
        using var noGrad = no_grad();
        _parameters.Values.copy_(_start);
        _inner.FirstMoment.copy_(_firstMoment);
        _inner.SecondMoment.copy_(_secondMoment);
    }

    /// <summary>Writes how far this rank has come, start − now, into <see cref="FlatParameters.Gradients"/>: the outer gradient, once it is the mean over the ranks.</summary>
    public void TakeGradient()
    {
        using var noGrad = no_grad();
        _parameters.Gradients.copy_(_start).sub_(_parameters.Values);
    }

    /// <summary>Moves the parameters from where the round began. v ← μ v + g, θ ← θ₀ − η (g + μ v), with g the mean of the ranks' gradients.</summary>
    /// <param name="ranks">How many ranks' outer gradients <see cref="FlatParameters.Gradients"/> is the sum of; left as their mean.</param>
    public void Update(int ranks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        using var noGrad = no_grad();
        var gradient = _parameters.Gradients.mul_(1.0 / ranks);
        Momentum.mul_(_options.Momentum).add_(gradient);
        _parameters.Values.copy_(_start).add_(gradient, -_options.LearningRate).add_(Momentum, -_options.LearningRate * _options.Momentum);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Momentum.Dispose();
        _start.Dispose();
        _firstMoment.Dispose();
        _secondMoment.Dispose();
    }
}

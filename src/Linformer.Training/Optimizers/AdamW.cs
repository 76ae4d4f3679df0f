using static TorchSharp.torch;

namespace Linformer.Training.Optimizers;

/// <summary>Settings of <see cref="AdamW"/>.</summary>
/// <param name="Beta1">Decay of the first moment, from 0 to below 1.</param>
/// <param name="Beta2">Decay of the second moment, from 0 to below 1.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled decay, per unit of learning rate.</param>
public sealed record AdamWOptions(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0.01);

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, algorithm 2) on flat buffers. Weight decay leaves out biases and norms.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly AdamWOptions _options;
    private readonly Tensor _scratch;

    /// <summary>Makes the optimizer with both moments zero.</summary>
    /// <param name="parameters">What it updates.</param>
    /// <param name="options">Its settings.</param>
    public AdamW(FlatParameters parameters, AdamWOptions options)
    {
        _parameters = parameters;
        _options = options;
        FirstMoment = zeros_like(parameters.Values);
        SecondMoment = zeros_like(parameters.Values);
        _scratch = empty_like(parameters.Values);
    }

    /// <summary>Running mean of the gradient, laid out like <see cref="FlatParameters.Values"/>.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Running mean of the squared gradient, laid out like <see cref="FlatParameters.Values"/>.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Updates all parameters from their gradients.</summary>
    /// <param name="update">The number of this update, from 1: it corrects the moments' bias.</param>
    /// <param name="learningRate">Learning rate of this update.</param>
    public void Update(long update, double learningRate)
    {
        using var noGrad = no_grad();
        var gradients = _parameters.Gradients;
        FirstMoment.mul_(_options.Beta1).add_(gradients, 1 - _options.Beta1);
        SecondMoment.mul_(_options.Beta2).addcmul_(gradients, gradients, 1 - _options.Beta2);

        var firstBias = 1 - Math.Pow(_options.Beta1, update);
        var secondBias = 1 - Math.Pow(_options.Beta2, update);
        _scratch.copy_(SecondMoment).sqrt_().mul_(1 / Math.Sqrt(secondBias)).add_(_options.Epsilon);

        using var decayed = _parameters.Values.narrow(0, 0, _parameters.DecayedLength);
        decayed.mul_(1 - (learningRate * _options.WeightDecay));
        _parameters.Values.addcdiv_(FirstMoment, _scratch, -learningRate / firstBias);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _scratch.Dispose();
    }
}

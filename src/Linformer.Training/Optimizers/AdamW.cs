using Linformer.Model.Kernels;
using Linformer.Training.Sharding;
using static TorchSharp.torch;

namespace Linformer.Training.Optimizers;

/// <summary>Settings of <see cref="AdamW"/>.</summary>
/// <param name="Beta1">Decay of the first moment, from 0 to below 1.</param>
/// <param name="Beta2">Decay of the second moment, from 0 to below 1.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled decay, per unit of learning rate.</param>
public sealed record AdamWOptions(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0.01);

/// <summary>What all parameters of one update have in common.</summary>
/// <param name="Update">The number of the update, from 1: it corrects the moments' bias.</param>
/// <param name="LearningRate">Learning rate of the update.</param>
/// <param name="GradientScale">Gradients are multiplied by it first: one over the count, times the factor of clipping.</param>
public readonly record struct AdamWUpdate(long Update, double LearningRate, double GradientScale);

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, algorithm 2) on flat buffers. Weight decay leaves out biases and norms.
/// </summary>
/// <remarks>
/// Buffers that <see cref="OptimizerKernels"/> supports are updated in one native pass, others by tensor operators; the two agree to
/// rounding. Within either, a range gets the same bits whether it is updated as a whole or in pieces.
/// </remarks>
public sealed class AdamW : IDisposable
{
    // What tensor operators work on at once, where they need room for it.
    private const long OperatorChunk = 1 << 22;

    private readonly FlatParameters _parameters;
    private readonly AdamWOptions _options;
    private readonly List<Run> _runs = [];
    private readonly bool _fused;
    private readonly Tensor? _scratch;

    /// <summary>Makes the optimizer with both moments zero.</summary>
    /// <param name="parameters">What it updates.</param>
    /// <param name="options">Its settings.</param>
    /// <param name="allowKernels">Whether native kernels may be used; else all is done by tensor operators.</param>
    /// <param name="shard">Whose moments it holds; null for those of all parameters.</param>
    public AdamW(FlatParameters parameters, AdamWOptions options, bool allowKernels = true, Shard? shard = null)
    {
        _parameters = parameters;
        _options = options;
        Moments = new Moments(parameters.Values, shard ?? Shard.Whole);
        _fused = allowKernels && OptimizerKernels.Supports(parameters.Values);
        _scratch = _fused ? null : empty([Math.Min(OperatorChunk, parameters.Length)], dtype: parameters.Values.dtype, device: parameters.Values.device);
        foreach (var slice in parameters.Slices.OrderBy(slice => slice.Offset))
        {
            if (_runs.Count == 0 || _runs[^1].Decays != slice.Decays)
            {
                _runs.Add(new Run(slice.Offset, slice.Decays));
            }
        }
    }

    /// <summary>The moments that are held: those of all parameters, unless they are shared out over the ranks.</summary>
    public Moments Moments { get; private set; }

    /// <summary>Running mean of the gradient, laid out like <see cref="FlatParameters.Values"/> where the moments of all parameters are held.</summary>
    public Tensor FirstMoment => Moments.First;

    /// <summary>Running mean of the squared gradient, laid out like <see cref="FirstMoment"/>.</summary>
    public Tensor SecondMoment => Moments.Second;

    /// <summary>Goes on with other moments.</summary>
    /// <param name="moments">Moments of the same parameters; disposed with the optimizer.</param>
    /// <returns>Those before, which are the caller's now.</returns>
    public Moments Exchange(Moments moments)
    {
        var before = Moments;
        Moments = moments;
        return before;
    }

    /// <summary>Updates all parameters from their gradients.</summary>
    /// <param name="update">The number of this update, from 1: it corrects the moments' bias.</param>
    /// <param name="learningRate">Learning rate of this update.</param>
    public void Update(long update, double learningRate) =>
        Update(update, learningRate, gradientScale: 1, from: 0, _parameters.Length);

    /// <summary>Updates a range of the parameters from their gradients, which stay as they are.</summary>
    /// <param name="update">The number of this update, from 1: it corrects the moments' bias.</param>
    /// <param name="learningRate">Learning rate of this update.</param>
    /// <param name="gradientScale">Gradients are multiplied by it first: one over the count, times the factor of clipping.</param>
    /// <param name="from">First element of the range in the flat buffers.</param>
    /// <param name="length">Elements of the range.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the buffers, its moments are not held, or <paramref name="update"/> is below 1.</exception>
    public void Update(long update, double learningRate, double gradientScale, long from, long length)
    {
        CheckRange(from, length);
        using var scope = NewDisposeScope();
        Update(new AdamWUpdate(update, learningRate, gradientScale), new BufferRange(from, length), _parameters.Values.narrow(0, from, length), Moments);
    }

    /// <summary>Updates a range from its gradients in copies of what an update would change.</summary>
    /// <param name="update">Which update.</param>
    /// <param name="range">The range in the flat buffers.</param>
    /// <param name="values">The parameters of the range, [length].</param>
    /// <param name="moments">Moments of the range, and maybe more.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the buffers or the moments, or the number of the update is below 1.</exception>
    internal void Update(AdamWUpdate update, BufferRange range, Tensor values, Moments moments)
    {
        using var scope = NewDisposeScope();
        var (first, second) = moments.Of(range);
        Update(update, range, values, first, second);
    }

    /// <summary>Updates a range from its gradients in copies of what an update would change.</summary>
    /// <param name="update">Which update.</param>
    /// <param name="range">The range in the flat buffers.</param>
    /// <param name="values">The parameters of the range, [length].</param>
    /// <param name="first">Their first moments, [length].</param>
    /// <param name="second">Their second moments, [length].</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the buffers, or the number of the update is below 1.</exception>
    internal void Update(AdamWUpdate update, BufferRange range, Tensor values, Tensor first, Tensor second)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(update.Update, 1);
        CheckRange(range.From, range.Length);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        for (var i = 0; i < _runs.Count; i++)
        {
            var end = i + 1 < _runs.Count ? _runs[i + 1].From : _parameters.Length;
            var run = range.Intersect(new BufferRange(_runs[i].From, end - _runs[i].From));
            if (run.Length > 0)
            {
                var decay = _runs[i].Decays ? _options.WeightDecay : 0;
                var step = new AdamWStep(update.LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon, decay, update.GradientScale, update.Update);
                UpdateRun(in step, PartOf(values), _parameters.Gradients.narrow(0, run.From, run.Length), PartOf(first), PartOf(second));
            }

            Tensor PartOf(Tensor whole) => whole.narrow(0, run.From - range.From, run.Length);
        }
    }

    /// <summary>The sum of the squares of a range of the gradients.</summary>
    /// <param name="from">First element of the range in the flat buffers.</param>
    /// <param name="length">Elements of the range.</param>
    /// <returns>The sum, in float64; its last bits depend on how a whole is cut into ranges.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the buffers.</exception>
    public double SumOfSquares(long from, long length)
    {
        CheckRange(from, length);
        if (_fused)
        {
            return OptimizerKernels.SumOfSquares(_parameters.Gradients, from, length);
        }

        using var noGrad = no_grad();
        var sum = 0.0;
        for (var first = from; first < from + length; first += OperatorChunk)
        {
            using var scope = NewDisposeScope();
            var chunk = _parameters.Gradients.narrow(0, first, Math.Min(OperatorChunk, from + length - first)).to_type(ScalarType.Float64);
            sum += chunk.square().sum().item<double>();
        }

        return sum;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Moments.Dispose();
        _scratch?.Dispose();
    }

    private void CheckRange(long from, long length)
    {
        if (from < 0 || length < 0 || from > _parameters.Length - length)
        {
            throw new ArgumentOutOfRangeException(nameof(from), $"{length} elements from {from} on are not within the {_parameters.Length} parameters.");
        }
    }

    private void UpdateRun(in AdamWStep step, Tensor values, Tensor gradients, Tensor first, Tensor second)
    {
        var length = values.numel();
        if (_fused)
        {
            OptimizerKernels.AdamW(in step, values, gradients, first, second, from: 0, length);
            return;
        }

        for (var from = 0L; from < length; from += OperatorChunk)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(OperatorChunk, length - from);
            UpdateByOperators(
                in step, values.narrow(0, from, count), gradients.narrow(0, from, count), first.narrow(0, from, count), second.narrow(0, from, count), _scratch!.narrow(0, 0, count));
        }
    }

    private static void UpdateByOperators(in AdamWStep step, Tensor values, Tensor gradients, Tensor first, Tensor second, Tensor scratch)
    {
        scratch.copy_(gradients).mul_(step.GradientScale);
        first.mul_(step.Beta1).add_(scratch, 1 - step.Beta1);
        second.mul_(step.Beta2).addcmul_(scratch, scratch, 1 - step.Beta2);

        var firstBias = 1 - Math.Pow(step.Beta1, step.Update);
        var secondBias = 1 - Math.Pow(step.Beta2, step.Update);
        scratch.copy_(second).sqrt_().mul_(1 / Math.Sqrt(secondBias)).add_(step.Epsilon);
        if (step.WeightDecay != 0)
        {
            values.mul_(1 - (step.LearningRate * step.WeightDecay));
        }

        values.addcdiv_(first, scratch, -step.LearningRate / firstBias);
    }

    /// <summary>Neighbouring parameters that all decay or none, up to the next run.</summary>
    private readonly record struct Run(long From, bool Decays);
}

namespace Linformer.Training.Tests.Trainers;

/// <summary>
/// DiLoCo as in Douillard et al. 2023, algorithm 1, in float64, on the rows of a <see cref="LinearTask"/>: each rank takes its steps of
/// AdamW from the common parameters, and SGD with Nesterov momentum, as PyTorch defines it, moves these by the mean difference.
/// </summary>
internal sealed class LocalStepsReference : IDisposable
{
    private const int Size = LinearTask.Width + 1;

    private readonly TrainingOptions _options;
    private readonly LinearTask _task = new();
    private readonly double[][] _first;
    private readonly double[][] _second;
    private double[]? _momentum;

    public LocalStepsReference(TrainingOptions options, int ranks)
    {
        _options = options;
        _first = [.. Enumerable.Range(0, ranks).Select(_ => new double[Size])];
        _second = [.. Enumerable.Range(0, ranks).Select(_ => new double[Size])];
        Values = [.. Bits.FloatsOf(_task.Linear.Weight).Select(w => (double)w), Bits.FloatsOf(_task.Linear.Bias)[0]];
    }

    public long Step { get; private set; }

    public double[] Values { get; private set; }

    /// <summary>Takes a round, and gives its last step.</summary>
    public long Round(out double loss)
    {
        var last = Math.Min(_options.Steps, Step + _options.LocalSteps - (Step % _options.LocalSteps));
        var ranks = _first.Length;
        var gradient = new double[Size];
        var (sum, count) = (0.0, 0);
        for (var rank = 0; rank < ranks; rank++)
        {
            var local = (double[])Values.Clone();
            for (var step = Step; step < last; step++)
            {
                var (stepLoss, rows) = InnerStep(local, rank, step);
                sum += stepLoss;
                count += rows;
            }

            for (var i = 0; i < Size; i++)
            {
                gradient[i] += (Values[i] - local[i]) / ranks;
            }
        }

        // torch.optim.SGD(nesterov=True): the first step makes the gradient the buffer.
        _momentum = _momentum is null ? (double[])gradient.Clone() : [.. _momentum.Select((m, i) => (_options.Outer.Momentum * m) + gradient[i])];
        Values = [.. Values.Select((v, i) => v - (_options.Outer.LearningRate * (gradient[i] + (_options.Outer.Momentum * _momentum[i]))))];
        Step = last;
        loss = sum / count;
        return last;
    }

    public void Dispose() => _task.Dispose();

    private (double LossSum, int Rows) InnerStep(double[] values, int rank, long step)
    {
        var microBatches = _options.GlobalBatch / _options.MicroBatch;
        var (from, to) = (microBatches * rank / _first.Length, microBatches * (rank + 1) / _first.Length);
        var gradient = new double[Size];
        var (sum, rows) = (0.0, 0);
        foreach (var (x, y) in _task.RowsOf((step * _options.GlobalBatch) + (from * _options.MicroBatch), (to - from) * _options.MicroBatch))
        {
            var error = values[^1] - y + x.Select((element, k) => element * values[k]).Sum();
            for (var k = 0; k < LinearTask.Width; k++)
            {
                gradient[k] += 2 * error * x[k];
            }

            gradient[^1] += 2 * error;
            sum += error * error;
            rows++;
        }

        gradient = Array.ConvertAll(gradient, g => g / rows);
        var norm = Math.Sqrt(gradient.Sum(g => g * g));
        gradient = Array.ConvertAll(gradient, g => norm > _options.ClipNorm ? g * _options.ClipNorm / norm : g);
        Update(values, gradient, rank, step + 1, _options.LearningRate.At(step));
        return (sum, rows);
    }

    private void Update(double[] values, double[] gradient, int rank, long update, double rate)
    {
        var (beta1, beta2) = (_options.Optimizer.Beta1, _options.Optimizer.Beta2);
        for (var i = 0; i < Size; i++)
        {
            _first[rank][i] = (beta1 * _first[rank][i]) + ((1 - beta1) * gradient[i]);
            _second[rank][i] = (beta2 * _second[rank][i]) + ((1 - beta2) * gradient[i] * gradient[i]);
            var step = _first[rank][i] / (1 - Math.Pow(beta1, update)) / (Math.Sqrt(_second[rank][i] / (1 - Math.Pow(beta2, update))) + _options.Optimizer.Epsilon);
            // The bias does not decay.
            var decay = i < LinearTask.Width ? rate * _options.Optimizer.WeightDecay * values[i] : 0;
            values[i] -= decay + (rate * step);
        }
    }
}

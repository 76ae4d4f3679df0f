using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

/// <summary>
/// Linear regression on made-up rows, of which each sample has another number, as sequences have of masked tokens. The
/// gradient has a closed form, which <see cref="Expected"/> computes in double precision without torch.
/// </summary>
internal sealed class LinearTask : ITrainingTask
{
    public const int Width = 3;
    public const int TokensPerSample = 10;

    /// <summary>Held-out sequences have their own numbers, behind all samples.</summary>
    private const long HeldOutFrom = 1_000_000;

    private readonly LinearModel _model;
    private Action _batchMade = () => { };

    public LinearTask()
    {
        _model = new LinearModel([0.3f, -0.2f, 0.9f], bias: 0.1f);
    }

    public LinearModel Linear => _model;

    /// <summary>Rows of a sample: 0, 1, 2 or 3.</summary>
    public Func<long, int> Rows { get; set; } = sample => (int)(sample * 7 % 4);

    /// <summary>What the loss of a micro-batch that starts with a sample is multiplied by.</summary>
    public Func<long, float> Factor { get; set; } = _ => 1;

    /// <summary>Called for every micro-batch of the training, with its first sample.</summary>
    public Action<long> OnTraining { get; set; } = _ => { };

    /// <summary>Called for every micro-batch that is announced, with its first sample and its size.</summary>
    public Action<long, int> OnUpcoming { get; set; } = (_, _) => { };

    /// <summary>Called for every batch of the evaluation, with its first sequence and its size.</summary>
    public Action<long, int> OnHeldOut { get; set; } = (_, _) => { };

    public nn.Module Model => _model;

    public long TrainingSequences => 100;

    public long HeldOutSequences { get; set; } = 7;

    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        OnTraining(firstSample);
        _batchMade();
        return Loss(firstSample, count, Factor(firstSample));
    }

    public void Upcoming(long firstSample, int count) => OnUpcoming(firstSample, count);

    public MicroBatchLoss HeldOutLoss(long firstSequence, int count)
    {
        OnHeldOut(firstSequence, count);
        return Loss(HeldOutFrom + firstSequence, count, factor: 1);
    }

    public void OnBatchMade(Action made) => _batchMade = made;

    public void Dispose() => _model.Dispose();

    /// <summary>The mean squared error over samples and its gradient, at the model's present values.</summary>
    public (double Loss, double[] Weight, double Bias, long Rows) Expected(long firstSample, int count)
    {
        var w = Bits.FloatsOf(_model.Weight);
        var b = Bits.FloatsOf(_model.Bias)[0];
        var (sum, weight, bias, rows) = (0.0, new double[Width], 0.0, 0L);
        foreach (var (x, y) in RowsOf(firstSample, count))
        {
            var error = b - (double)y;
            for (var k = 0; k < Width; k++)
            {
                error += w[k] * (double)x[k];
            }

            for (var k = 0; k < Width; k++)
            {
                weight[k] += 2 * error * x[k];
            }

            bias += 2 * error;
            sum += error * error;
            rows++;
        }

        return (sum / rows, Array.ConvertAll(weight, g => g / rows), bias / rows, rows);
    }

    public (double Loss, long Rows) ExpectedHeldOut()
    {
        var (loss, _, _, rows) = Expected(HeldOutFrom, (int)HeldOutSequences);
        return (loss, rows);
    }

    private MicroBatchLoss Loss(long first, int count, float factor)
    {
        var rows = RowsOf(first, count).ToArray();
        if (rows.Length == 0)
        {
            return new MicroBatchLoss(null, 0, count * TokensPerSample);
        }

        var x = tensor(rows.SelectMany(row => row.X).ToArray(), [rows.Length, Width]);
        var y = tensor(Array.ConvertAll(rows, row => row.Y));
        var error = _model.call(x) - y;
        return new MicroBatchLoss((error * error).sum() * factor, rows.Length, count * TokensPerSample);
    }

    /// <summary>The rows of samples.</summary>
    public IEnumerable<(float[] X, float Y)> RowsOf(long first, int count)
    {
        for (var sample = first; sample < first + count; sample++)
        {
            for (var row = 0; row < Rows(sample); row++)
            {
                var place = (1.7 * sample) + (0.9 * row);
                float[] x = [.. Enumerable.Range(0, Width).Select(k => (float)Math.Sin(place + (2.3 * k)))];
                yield return (x, (float)(0.5 + x[0] - (2 * x[1]) + Math.Cos(place)));
            }
        }
    }
}

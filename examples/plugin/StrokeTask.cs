using Linformer.Model;
using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Strokes;

/// <summary>Learns which stroke a picture shows. What it does follows from the pictures' numbers alone, so ranks can come and go.</summary>
internal sealed class StrokeTask : ITrainingTask
{
    private readonly PluginContext _context;
    private readonly StrokeSettings _settings;
    private readonly StrokeNetwork _network;

    public StrokeTask(PluginContext context, StrokeSettings settings)
    {
        (_context, _settings) = (context, settings);
        _network = new StrokeNetwork(settings.Hidden, context.Device);
    }

    public nn.Module Model => _network;

    public long TrainingSequences => _settings.TrainingPictures;

    public long HeldOutSequences => _settings.HeldOutPictures;

    public MicroBatchLoss TrainingLoss(long firstSample, int count) => Loss("training", firstSample, count, _settings.TrainingPictures);

    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => Loss("held out", firstSequence, count, _settings.HeldOutPictures);

    public void Dispose() => _network.Dispose();

    // The sum over the pictures, not the mean: the trainer divides once, by the pictures of all ranks.
    private MicroBatchLoss Loss(string part, long first, int count, long pictures)
    {
        var random = CounterRandom.For(_context.Seed, part);
        var pixels = new float[count * StrokePicture.Pixels];
        var labels = new long[count];
        for (var i = 0; i < count; i++)
        {
            labels[i] = StrokePicture.Draw(random, (first + i) % pictures, _settings.Noise, pixels.AsSpan(i * StrokePicture.Pixels, StrokePicture.Pixels));
        }

        var input = tensor(pixels, [count, StrokePicture.Pixels], device: _context.Device);
        var scores = _network.call(input);
        var sum = nn.functional.cross_entropy(scores, tensor(labels, device: _context.Device), reduction: nn.Reduction.Sum);
        return new MicroBatchLoss(sum, Predicted: count, Tokens: count);
    }
}

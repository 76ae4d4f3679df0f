using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests.Sharding;

/// <summary>Undisturbed, unsharded training by its history: what many disturbances come to is trained once.</summary>
/// <param name="options">How all of it trains.</param>
/// <param name="skipped">Steps that are left out.</param>
/// <param name="prepare">Changes each rank's task.</param>
internal sealed class UndisturbedRuns(TrainingOptions options, IReadOnlySet<long>? skipped = null, Action<LayeredTask>? prepare = null) : IDisposable
{
    private readonly Dictionary<string, Trainer> _byHistory = new(StringComparer.Ordinal);

    /// <summary>What the first rank holds at the end of a history. It belongs to this.</summary>
    public Trainer Of(WorldHistory history)
    {
        var key = $"{string.Join(", ", history.Segments)}; {history.Steps}";
        if (!_byHistory.TryGetValue(key, out var trainer))
        {
            trainer = ShardedRanks.Undisturbed(options, history, skipped, prepare);
            _byHistory.Add(key, trainer);
        }

        return trainer;
    }

    public void Dispose()
    {
        foreach (var trainer in _byHistory.Values)
        {
            trainer.Dispose();
        }
    }
}

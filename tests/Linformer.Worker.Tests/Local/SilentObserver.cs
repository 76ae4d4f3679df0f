using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Local;

/// <summary>Is told all of a local training, and keeps nothing.</summary>
internal sealed class SilentObserver : ITrainingObserver
{
    public void Report(PreparationProgress value)
    {
    }

    public void CorpusReady(PreparedCorpus corpus)
    {
    }

    public void Starting(JobFile job, int ranks, long step)
    {
    }

    public void StepDone(ProgressMessage progress)
    {
    }

    public void Warn(string message)
    {
    }
}

using Linformer.Worker.Local;

namespace Linformer.Worker.TestRank;

/// <summary>Tells the test which processes must not outlive the launcher.</summary>
internal sealed class PrintProcessIds : IRankEvents
{
    public void Started(int rank, int processId) => Console.WriteLine(processId);
}

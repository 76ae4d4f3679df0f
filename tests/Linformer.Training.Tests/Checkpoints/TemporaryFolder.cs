namespace Linformer.Training.Tests.Checkpoints;

/// <summary>A folder of one test, deleted after it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("linformer-test-");

    public string Root => _directory.FullName;

    public void Dispose() => _directory.Delete(recursive: true);
}

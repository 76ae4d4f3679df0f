namespace Linformer.Coordinator.Tests;

/// <summary>A folder that is deleted with all in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("linformer-coordinator-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

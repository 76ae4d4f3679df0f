using Linformer.Model.Files;

namespace Linformer.Model.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string FilePath => Path.Combine(_folder.Path, "config.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileIsCreatedAndReplacedAndNothingElseRemains()
    {
        AtomicFile.Write(FilePath, "first ☃");
        AtomicFile.Write(FilePath, "second");

        File.ReadAllText(FilePath).ShouldBe("second");
        Directory.GetFileSystemEntries(_folder.Path).ShouldBe([FilePath]);
    }

    [Fact]
    public void WhileItIsWrittenAndAfterAFailureTheOldContentIsThere()
    {
        AtomicFile.Write(FilePath, "old");

        Should.Throw<InvalidOperationException>(() => AtomicFile.Write(FilePath, stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            File.ReadAllText(FilePath).ShouldBe("old");
            throw new InvalidOperationException("stop");
        }));

        File.ReadAllText(FilePath).ShouldBe("old");
        Directory.GetFileSystemEntries(_folder.Path).ShouldBe([FilePath]);
    }

    [Fact]
    public void WhatAKilledWriterLeftIsDeletedOnceItIsOld()
    {
        var (old, young) = (FilePath + ".tmp-1-a", FilePath + ".tmp-2-b");
        File.WriteAllText(old, "a rest");
        File.WriteAllText(young, "of a living writer, perhaps");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));

        AtomicFile.DeleteAbandoned(_folder.Path);

        Directory.GetFileSystemEntries(_folder.Path).ShouldBe([young]);
    }

    [Fact]
    public void TwoWritersAtTheSameTimeBothFinishAndTheLastOneCounts()
    {
        AtomicFile.Write(FilePath, stream =>
        {
            stream.Write("first"u8);
            AtomicFile.Write(FilePath, "second");
        });

        File.ReadAllText(FilePath).ShouldBe("first");
        Directory.GetFileSystemEntries(_folder.Path).ShouldBe([FilePath]);
    }

    [Fact]
    public void AFolderThatIsNotThereIsNamed() =>
        Should.Throw<IOException>(() => AtomicFile.Write(Path.Combine(_folder.Path, "no", "file"), "x")).Message.ShouldContain(Path.Combine(_folder.Path, "no"));
}

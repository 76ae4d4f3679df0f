using Linformer.Training.Checkpoints;

namespace Linformer.Training.Tests.Checkpoints;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string FilePath => Path.Combine(_folder.Root, "config.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileIsCreatedAndReplacedAndNothingElseRemains()
    {
        AtomicFile.Write(FilePath, "first ☃");
        AtomicFile.Write(FilePath, "second");

        File.ReadAllText(FilePath).ShouldBe("second");
        Directory.GetFileSystemEntries(_folder.Root).ShouldBe([FilePath]);
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
        Directory.GetFileSystemEntries(_folder.Root).ShouldBe([FilePath]);
    }

    [Fact]
    public void WhatAKilledWriterLeftIsOverwritten()
    {
        File.WriteAllText(Path.Combine(_folder.Root, ".config.json.tmp"), "a long rest of a killed writer");

        AtomicFile.Write(FilePath, "new");

        File.ReadAllText(FilePath).ShouldBe("new");
        Directory.GetFileSystemEntries(_folder.Root).ShouldBe([FilePath]);
    }

    [Fact]
    public void ASecondWriterAtTheSameTimeIsRefusedAndTheFirstOneFinishes()
    {
        AtomicFile.Write(FilePath, stream =>
        {
            stream.Write("first"u8);
            Should.Throw<IOException>(() => AtomicFile.Write(FilePath, "second"));
        });

        File.ReadAllText(FilePath).ShouldBe("first");
    }

    [Fact]
    public void AFolderThatIsNotThereIsNamed() =>
        Should.Throw<IOException>(() => AtomicFile.Write(Path.Combine(_folder.Root, "no", "file"), "x")).Message.ShouldContain(Path.Combine(_folder.Root, "no"));
}

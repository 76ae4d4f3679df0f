using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class StorageIdTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void An_id_is_made_once_and_is_all_that_the_file_says()
    {
        var made = StorageId.LoadOrCreate(_root.Path);
        Guid.TryParse(made.Value, out _).ShouldBeTrue(made.Value);
        File.ReadAllText(_root.File("storage-id")).ShouldBe(made.Value + "\n");
        StorageId.LoadOrCreate(_root.Path).ShouldBe(made);
        Directory.GetFileSystemEntries(_root.Path).ShouldHaveSingleItem();

        using var other = new TemporaryFolder();
        StorageId.LoadOrCreate(other.Path).ShouldNotBe(made);
    }

    [Fact]
    public void A_file_that_holds_no_id_is_named_and_left_as_it_is()
    {
        foreach (var text in (string[])["", "two\nlines", "with a space", new string('a', 129), new string('\n', 500)])
        {
            File.WriteAllText(_root.File("storage-id"), text);
            Should.Throw<StorageException>(() => StorageId.LoadOrCreate(_root.Path)).Message.ShouldContain(_root.File("storage-id"));
            File.ReadAllText(_root.File("storage-id")).ShouldBe(text);
        }
        File.Delete(_root.File("storage-id"));
        Directory.CreateDirectory(_root.File("storage-id"));
        Should.Throw<StorageException>(() => StorageId.LoadOrCreate(_root.Path)).Message.ShouldContain(_root.File("storage-id"));
    }
}

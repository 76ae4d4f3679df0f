using Linformer.Coordinator.Access;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

/// <summary>What coordinators make at the storage root that they share.</summary>
public sealed class FirstStartTests
{
    [Fact]
    public async Task Coordinators_that_start_at_once_make_the_same_tokens_and_the_same_id()
    {
        for (var round = 0; round < 20; round++)
        {
            using var root = new TemporaryFolder();
            var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
            {
                var tokens = BootstrapTokens.Load(new CoordinatorOptions { DataFolder = root.Path, CoordinatorFolder = root.Path }, _ => { });
                return (tokens.Join.First, tokens.Admin.First, StorageId.LoadOrCreate(root.Path));
            })));
            made.Distinct().ShouldHaveSingleItem();
            Directory.GetFiles(root.Path).Select(Path.GetFileName).Order().ShouldBe(["join-token", "storage-id", "user-token"]);
        }
    }
}

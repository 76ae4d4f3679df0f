using System.Security.Cryptography;
using System.Text;
using Linformer.Data;
using Linformer.Fuzzing;
using Linformer.Model;
using Linformer.Model.SafeTensors;
using Linformer.Training.Checkpoints;
using Linformer.Training.Tests.Checkpoints;
using Linformer.Training.Tests.Trainers;
using Xunit.Abstractions;

namespace Linformer.Training.Tests.Fuzz;

/// <summary>What a checkpoint's folder holds beside it, damaged, with hashes as whoever may write there would make them.</summary>
[Collection(nameof(Alone))]
public sealed class CheckpointFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Manifests_are_taken_or_reported_as_damage()
    {
        var store = new CheckpointStore(Path.Combine(_folder.Root, "checkpoints"));
        var info = await store.WriteAsync(
            new CheckpointId(0, 1, 3), new CheckpointMetadata(24, 1, """{"name":"a"}"""), [new CheckpointFile("a.bin", stream => stream.Write("abc"u8)), new CheckpointFile("b.bin", _ => { })]);
        var path = Path.Combine(info.Folder, "manifest.json");
        new Fuzzer
        {
            Name = "checkpoint manifest",
            Corpus = [await File.ReadAllBytesAsync(path)],
            Dictionary = ["null,", "\"name\": \"../a\",", "\"name\": \"manifest.json\",", "\"size\": -1,", "{\"name\":\"a.bin\",\"size\":3,\"sha256\":\"\"},", "\"files\": [", "\"formatVersion\": 1,", "\"created\": \"9999-12-31T23:59:59+14:00\","],
            Cases = 500,
            AllocationPerByte = 400,
            MayThrow = e => e is InvalidDataException,
        }.Run(
            manifest =>
            {
                File.WriteAllBytes(path, manifest);
                File.WriteAllText(path + ".sha256", $"{Convert.ToHexStringLower(SHA256.HashData(manifest))}  manifest.json\n");
                CheckpointDamage? damage = null;
                if (store.FindNewestValid(found => damage = found) is null)
                {
                    throw new InvalidDataException(damage.ShouldNotBeNull().ToString());
                }
            },
            output);
    }

    [Fact]
    public async Task Trainer_states_are_restored_or_refused()
    {
        const int GlobalBatch = 8;
        using var fixture = new TrainerFixture();
        fixture.Trainer.TrainStep();
        using var copy = TrainerCheckpoint.Take(fixture.Trainer, GlobalBatch);
        var info = await copy.WriteAsync(new CheckpointStore(Path.Combine(_folder.Root, "good")), 0, 1, """{"name":"a"}""");
        var path = info.PathOf(TrainerCheckpoint.StateFile);
        new Fuzzer
        {
            Name = "trainer.json",
            Corpus = [await File.ReadAllBytesAsync(path)],
            Dictionary = ["\"World\":null", "null,", "{\"From\":1,\"Ranks\":0},", "\"Step\":1,", "\"Updates\":-1,", "\"MeanLoss\":1e400,"],
            Cases = 500,
            AllocationPerByte = 400,
            MayThrow = e => e is CheckpointException or ModelFormatException or SafeTensorsException,
        }.Run(
            state =>
            {
                File.WriteAllBytes(path, state);
                TrainerCheckpoint.Restore(info, fixture.Trainer, GlobalBatch);
                (fixture.Trainer.Step, fixture.Trainer.State.World.Steps).ShouldBe((1, 1));
                fixture.Trainer.State.Updates.ShouldBeInRange(0, 1);
            },
            output);
    }

    [Fact]
    public void Histories_are_read_or_refused()
    {
        var path = Path.Combine(_folder.Root, "history.json");
        new Fuzzer
        {
            Name = "history",
            Corpus = [Encoding.UTF8.GetBytes("""{"format":1,"steps":20,"segments":[{"from":1,"ranks":2},{"from":8,"ranks":0},{"from":9,"ranks":1}]}""")],
            Dictionary = ["\"steps\":9223372036854775807,", "{\"from\":10,\"ranks\":0},", "null,", "\"format\":1,", "\"segments\":["],
            Cases = 1500,
            MayThrow = e => e is BadDataException,
        }.Run(
            history =>
            {
                File.WriteAllBytes(path, history);
                var read = WorldHistory.Load(path);
                read.SkippedSteps.ToList().Count.ShouldBeLessThanOrEqualTo(100_000);
            },
            output);
    }

    public void Dispose() => _folder.Dispose();
}

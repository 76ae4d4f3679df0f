using System.Diagnostics;
using Linformer.Model.Files;
using Linformer.Training.Checkpoints;

namespace Linformer.Training.Tests.Checkpoints;

/// <summary>Writing that fails, and what is kept and removed then.</summary>
public sealed class CheckpointFailureTests : IDisposable
{
    private static readonly CheckpointMetadata Metadata = new(0, 1, "{}");

    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointStore _store;

    public CheckpointFailureTests() => _store = new CheckpointStore(_folder.Root);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ASourceThatFailsLeavesNothingAndTheEarlierOnes()
    {
        var good = await WriteAsync(1, new byte[10]);

        var error = await Should.ThrowAsync<CheckpointException>(() => WriteAsync(2, stream =>
        {
            stream.Write(new byte[5]);
            throw new IOException("the device has gone");
        }));
        await Should.ThrowAsync<InvalidOperationException>(() => WriteAsync(2, _ => throw new InvalidOperationException("no such tensor")));

        error.Message.ShouldBe($"{Path.Combine(_folder.Root, "l0000-g0001-s00000002")}: the checkpoint cannot be written: the device has gone");
        Entries().ShouldBe([good.Folder]);
        _store.FindNewestValid(Unexpected)!.Id.ShouldBe(good.Id);
    }

    [Fact]
    public async Task CancellationLeavesNothing()
    {
        using var cancellation = new CancellationTokenSource();

        await Should.ThrowAsync<OperationCanceledException>(() => _store.WriteAsync(
            new CheckpointId(0, 1, 1),
            Metadata,
            [new CheckpointFile("m", stream =>
            {
                stream.Write(new byte[5]);
                cancellation.Cancel();
                stream.Write(new byte[5]);
            })],
            cancellation.Token));

        Entries().ShouldBeEmpty();
    }

    [Fact]
    public async Task AFolderThatCannotBeCreatedIsNamed()
    {
        var file = Path.Combine(_folder.Root, "file");
        await File.WriteAllTextAsync(file, "");
        var store = new CheckpointStore(Path.Combine(file, "checkpoints"));

        (await Should.ThrowAsync<CheckpointException>(() => store.WriteAsync(new CheckpointId(0, 1, 1), Metadata, [])))
            .Message.ShouldStartWith(Path.Combine(file, "checkpoints"));
    }

    [SkippableFact]
    [Trait("Lane", "Processes")]
    public async Task AFullDiskIsAClearErrorAndTheEarlierOneStays()
    {
        using var disk = SmallDisk.Mount(Path.Combine(_folder.Root, "disk"), "1m");
        var store = new CheckpointStore(disk.Path);
        var good = await store.WriteAsync(new CheckpointId(0, 1, 1), Metadata, [new CheckpointFile("m", s => s.Write(new byte[300_000]))]);

        var error = await Should.ThrowAsync<CheckpointException>(() => store.WriteAsync(
            new CheckpointId(0, 1, 2),
            Metadata,
            [new CheckpointFile("a", s => s.Write(new byte[300_000])), new CheckpointFile("b", s => s.Write(new byte[600_000]))]));

        error.Message.ShouldStartWith(Path.Combine(disk.Path, "l0000-g0001-s00000002"));
        error.Message.ShouldContain("No space left on device");
        Directory.GetFileSystemEntries(disk.Path).ShouldBe([good.Folder]);
        store.FindNewestValid(Unexpected)!.Id.ShouldBe(good.Id);
        await store.WriteAsync(new CheckpointId(0, 1, 3), Metadata, [new CheckpointFile("m", s => s.Write(new byte[300_000]))]);
        store.FindNewestValid(Unexpected)!.Id.Step.ShouldBe(3);

        var single = Path.Combine(disk.Path, "single");
        AtomicFile.Write(single, "old");
        Should.Throw<IOException>(() => AtomicFile.Write(single, new string('x', 900_000))).Message.ShouldContain("No space left on device");
        (await File.ReadAllTextAsync(single)).ShouldBe("old");
        Directory.GetFiles(disk.Path, ".*").ShouldBeEmpty();
    }

    [Fact]
    public async Task RetainKeepsTheNewestAndNeverDeletesTheNewestValidOne()
    {
        for (var step = 1; step <= 5; step++)
        {
            await WriteAsync(step, new byte[step]);
        }

        _store.Retain(3).Select(id => id.Step).ShouldBe([1, 2]);
        _store.List().Select(id => id.Step).ShouldBe([3, 4, 5]);
        Break(4);
        Break(5);

        _store.Retain(1).Select(id => id.Step).ShouldBe([4]);
        _store.List().Select(id => id.Step).ShouldBe([3, 5]);
        _store.Retain(5).ShouldBeEmpty();
        Should.Throw<ArgumentOutOfRangeException>(() => _store.Retain(0));
    }

    [Fact]
    public async Task RetainRemovesWhatDeadWritersLeftAndSparesTheLiving()
    {
        var good = await WriteAsync(1, new byte[10]);
        Directory.CreateDirectory(Path.Combine(_folder.Root, ".tmp-l0000-g0001-s00000002-without-lock"));
        var dead = Directory.CreateDirectory(Path.Combine(_folder.Root, ".tmp-l0000-g0001-s00000003-dead")).FullName;
        await File.WriteAllTextAsync(Path.Combine(dead, "model.safetensors"), "half");
        await File.WriteAllTextAsync(dead + ".lock", "");
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, ".tmp-l0000-g0001-s00000004-dead.lock"), "");
        Directory.CreateDirectory(Path.Combine(_folder.Root, ".deleted-l0000-g0001-s00000000-x"));

        await WriteAsync(5, stream =>
        {
            stream.Write([1]);
            _store.Retain(1).ShouldBeEmpty();
            Entries().Count(entry => Path.GetFileName(entry).StartsWith(".tmp-l0000-g0001-s00000005", StringComparison.Ordinal)).ShouldBe(2);
            Entries().Length.ShouldBe(3);
            stream.Write([2]);
        });

        Entries().Order().ShouldBe([good.Folder, Path.Combine(_folder.Root, "l0000-g0001-s00000005")]);
        _store.FindNewestValid(Unexpected)!.Id.Step.ShouldBe(5);
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task AWriterKilledAtAnyMomentLeavesTheCheckpointBeforeItWhole()
    {
        var random = new Random(3);
        long next = 1;
        for (var round = 0; round < 8; round++)
        {
            var confirmed = await WriteUntilKilledAsync(next, TimeSpan.FromMilliseconds(random.Next(80)));

            var found = _store.FindNewestValid(Unexpected)!;
            found.Id.Step.ShouldBeGreaterThanOrEqualTo(confirmed);
            _store.List().ShouldAllBe(id => _store.OpenVerified(id, default).Id == id);
            next = found.Id.Step + 1;
            _store.Retain(2);
            Entries().ShouldAllBe(entry => Path.GetFileName(entry)[0] == 'l');
        }
    }

    // A checkpoint takes 120 writes: 30 for each of its four files.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(77)]
    [InlineData(119)]
    [InlineData(120)]
    [InlineData(121)]
    [Trait("Lane", "Processes")]
    public async Task AWriterKilledBetweenTwoWritesLeavesTheCheckpointBeforeItWhole(int writes)
    {
        await WriteAsync(1, new byte[10]);
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Training.TestWriter"))
        {
            ArgumentList = { _folder.Root, "2", writes.ToString() },
            UseShellExecute = false,
            RedirectStandardOutput = true,
        })!;
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(137);

        _store.FindNewestValid(Unexpected)!.Id.Step.ShouldBe(writes < 120 ? 1 : 2);
        _store.Retain(2).ShouldBeEmpty();
        Entries().Length.ShouldBe(writes < 120 ? 1 : 2);
    }

    // Returns the last step that the process reported as written.
    private async Task<long> WriteUntilKilledAsync(long firstStep, TimeSpan delay)
    {
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Training.TestWriter"))
        {
            ArgumentList = { _folder.Root, firstStep.ToString() },
            UseShellExecute = false,
            RedirectStandardOutput = true,
        })!;
        var confirmed = long.Parse((await process.StandardOutput.ReadLineAsync())!);
        await Task.Delay(delay);
        process.Kill();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            // A line that the kill cut short is a smaller number or none.
            confirmed = long.TryParse(line, out var step) ? Math.Max(step, confirmed) : confirmed;
        }

        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(137);
        return confirmed;
    }

    private static void Unexpected(CheckpointDamage damage) => throw new InvalidOperationException(damage.ToString());

    private string[] Entries() => Directory.GetFileSystemEntries(_folder.Root);

    private void Break(long step) => File.WriteAllText(Path.Combine(_folder.Root, new CheckpointId(0, 1, step).ToString(), "model.safetensors"), "broken");

    private Task<CheckpointInfo> WriteAsync(long step, byte[] data) => WriteAsync(step, stream => stream.Write(data));

    private Task<CheckpointInfo> WriteAsync(long step, Action<Stream> write) =>
        _store.WriteAsync(new CheckpointId(0, 1, step), Metadata, [new CheckpointFile("model.safetensors", write)]);
}

using System.Security.Cryptography;
using System.Text.Json;
using Linformer.Training.Checkpoints;

namespace Linformer.Training.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private static readonly CheckpointMetadata Metadata = new(6400, 1, """{"name":"brown ☃"}""");

    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointStore _store;

    public CheckpointStoreTests() => _store = new CheckpointStore(Path.Combine(_folder.Root, "checkpoints"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task WhatIsWrittenIsFoundWithEverythingThatItSays()
    {
        var id = new CheckpointId(0, 1, 100);

        var written = await WriteAsync(id, "model.safetensors", "optimizer.safetensors");

        Path.GetFileName(written.Folder).ShouldBe("l0000-g0001-s00000100");
        var opened = _store.OpenVerified(id);
        opened.Id.ShouldBe(id);
        opened.Metadata.ShouldBe(Metadata);
        opened.Created.ShouldBe(written.Created);
        opened.Files.ShouldBe(written.Files);
        File.ReadAllBytes(opened.PathOf("model.safetensors")).ShouldBe(Content("model.safetensors"));
        Should.Throw<CheckpointException>(() => opened.PathOf("other")).Message.ShouldContain("has no file 'other'");
        Directory.GetFileSystemEntries(_store.Folder).ShouldBe([written.Folder]);
    }

    [Fact]
    public async Task TheManifestIsJsonThatNamesEveryFileWithSizeAndHash()
    {
        var info = await WriteAsync(new CheckpointId(2, 3, 4), "model.safetensors");

        using var manifest = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(info.Folder, "manifest.json")));

        var root = manifest.RootElement;
        root.GetProperty("formatVersion").GetInt32().ShouldBe(1);
        root.GetProperty("lineage").GetInt32().ShouldBe(2);
        root.GetProperty("generation").GetInt32().ShouldBe(3);
        root.GetProperty("step").GetInt64().ShouldBe(4);
        root.GetProperty("samplesConsumed").GetInt64().ShouldBe(6400);
        root.GetProperty("sampleOrderVersion").GetInt32().ShouldBe(1);
        root.GetProperty("jobJson").GetString().ShouldBe(Metadata.JobJson);
        var file = root.GetProperty("files")[0];
        file.GetProperty("name").GetString().ShouldBe("model.safetensors");
        file.GetProperty("size").GetInt64().ShouldBe(Content("model.safetensors").Length);
        file.GetProperty("sha256").GetString().ShouldBe(Convert.ToHexStringLower(SHA256.HashData(Content("model.safetensors"))));
    }

    [Fact]
    public async Task ListIsOldestFirstAndSeesOnlyCheckpoints()
    {
        _store.List().ShouldBeEmpty();
        await WriteAsync(new CheckpointId(0, 2, 5), "m");
        await WriteAsync(new CheckpointId(1, 1, 1), "m");
        await WriteAsync(new CheckpointId(0, 1, 10), "m");
        Directory.CreateDirectory(Path.Combine(_store.Folder, "notes"));
        await File.WriteAllTextAsync(Path.Combine(_store.Folder, "l0000-g0001-s00000011"), "a file, no folder");

        _store.List().ShouldBe([new CheckpointId(0, 1, 10), new CheckpointId(0, 2, 5), new CheckpointId(1, 1, 1)]);
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("extended")]
    [InlineData("altered")]
    [InlineData("missing")]
    [InlineData("manifest altered")]
    [InlineData("manifest missing")]
    [InlineData("manifest empty")]
    [InlineData("hash missing")]
    [InlineData("of another step")]
    [InlineData("empty folder")]
    public async Task ADamagedOneIsSkippedWithAWarningThatNamesFileAndReason(string damage)
    {
        var good = await WriteAsync(new CheckpointId(0, 1, 1), "a", "model.safetensors");
        var bad = await WriteAsync(new CheckpointId(0, 1, 2), "a", "model.safetensors");
        var (file, reason) = Damage(bad.Folder, good.Folder, damage);
        var warnings = new List<CheckpointDamage>();

        var found = _store.FindNewestValid(warnings.Add);

        found!.Id.ShouldBe(good.Id);
        var warning = warnings.ShouldHaveSingleItem();
        warning.Id.ShouldBe(bad.Id);
        warning.File.ShouldBe(Path.Combine(bad.Folder, file));
        warning.Reason.ShouldContain(reason);
        Should.Throw<CheckpointException>(() => _store.OpenVerified(bad.Id)).Message.ShouldBe(warning.ToString());
    }

    [Fact]
    public async Task AManifestThatLeavesTheFolderIsDamage()
    {
        var info = await WriteAsync(new CheckpointId(0, 1, 1), "model.safetensors");
        var path = Path.Combine(info.Folder, "manifest.json");
        foreach (var (name, size, reason) in new[]
        {
            ("../secret", "3", "lists the file '../secret'"), ("/etc/passwd", "3", "lists the file"), ("", "3", "lists the file"),
            ("ok", "-1", "of -1 bytes"), ("ok\",\"size\":1,\"x\":\"", "\"a\"", "not a manifest"),
        })
        {
            var manifest = $$"""
                {"formatVersion":1,"lineage":0,"generation":1,"step":1,"samplesConsumed":0,"sampleOrderVersion":1,"jobJson":"",
                "created":"2025-01-01T00:00:00+00:00","files":[{"name":"{{name}}","size":{{size}},"sha256":""}]}
                """;
            WriteManifest(path, manifest);
            Warning().ShouldContain(reason);
        }

        WriteManifest(path, """{"formatVersion":1}""");
        Warning().ShouldContain("not a manifest");
        WriteManifest(path, (await File.ReadAllTextAsync(path)).Replace("1", "2", StringComparison.Ordinal));
        Warning().ShouldContain("not a manifest");
        WriteManifest(path, "null");
        Warning().ShouldContain("not a manifest");

        string Warning()
        {
            var warnings = new List<CheckpointDamage>();
            _store.FindNewestValid(warnings.Add).ShouldBeNull();
            return warnings.ShouldHaveSingleItem().Reason;
        }
    }

    [Fact]
    public async Task AValidOneIsNeverOverwrittenAndADamagedOneIsReplaced()
    {
        var id = new CheckpointId(0, 1, 1);
        var info = await WriteAsync(id, "m");
        (await Should.ThrowAsync<CheckpointException>(() => WriteAsync(id, "m"))).Message.ShouldContain("never overwritten");
        File.WriteAllText(info.PathOf("m"), "x");

        await WriteAsync(id, "m");

        _store.OpenVerified(id).Id.ShouldBe(id);
        _store.Retain(1).ShouldBeEmpty();
        Directory.GetFileSystemEntries(_store.Folder).ShouldBe([info.Folder]);
    }

    [Fact]
    public async Task TwoWritersOfOneIdLeaveOneWholeCheckpoint()
    {
        var id = new CheckpointId(0, 1, 1);
        var bothWrite = new Barrier(2);
        var file = new CheckpointFile("m", stream =>
        {
            bothWrite.SignalAndWait();
            stream.Write([1]);
        });

        var writers = new[] { _store.WriteAsync(id, Metadata, [file]), _store.WriteAsync(id, Metadata, [file]) };
        await Should.ThrowAsync<CheckpointException>(() => Task.WhenAll(writers));

        writers.Count(writer => writer.IsCompletedSuccessfully).ShouldBe(1);
        _store.OpenVerified(id).Id.ShouldBe(id);
        Directory.GetFileSystemEntries(_store.Folder).Length.ShouldBe(1);
    }

    [Fact]
    public async Task WhatIsNotThereIsSaidSo()
    {
        _store.FindNewestValid(_ => throw new InvalidOperationException()).ShouldBeNull();
        _store.Retain(1).ShouldBeEmpty();
        Should.Throw<CheckpointException>(() => _store.OpenVerified(new CheckpointId(0, 1, 7))).Message.ShouldContain("has no checkpoint l0000-g0001-s00000007; it has none");
        await WriteAsync(new CheckpointId(0, 1, 8), "m");
        Should.Throw<CheckpointException>(() => _store.OpenVerified(new CheckpointId(0, 1, 7))).Message.ShouldContain("it has l0000-g0001-s00000008");
    }

    [Theory]
    [InlineData("")]
    [InlineData("../m")]
    [InlineData("a/b")]
    [InlineData(".hidden")]
    [InlineData("manifest.json")]
    [InlineData("manifest.json.sha256")]
    public async Task NamesThatAreNotPlainAreRefused(string name) =>
        (await Should.ThrowAsync<ArgumentException>(() => WriteAsync(new CheckpointId(0, 1, 1), "m", name))).Message.ShouldContain($"'{name}'");

    [Fact]
    public async Task NegativeNumbersAndEqualNamesAreRefused()
    {
        await Should.ThrowAsync<ArgumentException>(() => WriteAsync(new CheckpointId(0, 1, -1), "m"));
        await Should.ThrowAsync<ArgumentException>(() => WriteAsync(new CheckpointId(0, 1, 1), "m", "m"));
    }

    private static (string File, string Reason) Damage(string bad, string good, string damage)
    {
        var model = Path.Combine(bad, "model.safetensors");
        var manifest = Path.Combine(bad, "manifest.json");
        switch (damage)
        {
            case "truncated":
                File.WriteAllBytes(model, File.ReadAllBytes(model)[..^1]);
                return ("model.safetensors", "has 199999 bytes; the manifest gives 200000");
            case "extended":
                File.AppendAllText(model, "x");
                return ("model.safetensors", "has 200001 bytes; the manifest gives 200000");
            case "altered":
                var bytes = File.ReadAllBytes(model);
                bytes[^1] ^= 1;
                File.WriteAllBytes(model, bytes);
                return ("model.safetensors", "its SHA-256 is");
            case "missing":
                File.Delete(model);
                return ("model.safetensors", "Could not find file");
            case "manifest altered":
                File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("6400", "6401", StringComparison.Ordinal));
                return ("manifest.json", "its SHA-256 is not");
            case "manifest missing":
                File.Delete(manifest);
                return ("manifest.json", "Could not find file");
            case "manifest empty":
                File.WriteAllText(manifest, "");
                return ("manifest.json", "its SHA-256 is not");
            case "hash missing":
                File.Delete(manifest + ".sha256");
                return ("manifest.json", "Could not find file");
            case "of another step":
                File.Copy(Path.Combine(good, "manifest.json"), manifest, overwrite: true);
                File.Copy(Path.Combine(good, "manifest.json.sha256"), manifest + ".sha256", overwrite: true);
                return ("manifest.json", "is that of l0000-g0001-s00000001; the folder is that of l0000-g0001-s00000002");
            default:
                Directory.Delete(bad, recursive: true);
                Directory.CreateDirectory(bad);
                return ("manifest.json", "Could not find file");
        }
    }

    private static void WriteManifest(string path, string json)
    {
        File.WriteAllText(path, json);
        File.WriteAllText(path + ".sha256", $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}  manifest.json\n");
    }

    private static byte[] Content(string name)
    {
        var bytes = new byte[200_000];
        new Random(name.Length).NextBytes(bytes);
        return bytes;
    }

    private Task<CheckpointInfo> WriteAsync(CheckpointId id, params string[] names) =>
        _store.WriteAsync(id, Metadata, [.. names.Select(name => new CheckpointFile(name, stream => stream.Write(Content(name))))]);
}

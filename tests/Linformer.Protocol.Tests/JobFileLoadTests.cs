namespace Linformer.Protocol.Tests;

public sealed class JobFileLoadTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("linformer-job-").FullName;

    [Fact]
    public void A_file_is_read()
    {
        var path = Path.Combine(_folder, "job.yaml");
        File.WriteAllText(path, "name: a\ncorpus: { files: [a] }");

        JobFileParser.Load(path).OrThrow().Name.ShouldBe("a");
    }

    [Fact]
    public void A_missing_file_is_an_error()
    {
        var path = Path.Combine(_folder, "no", "job.yaml");

        JobFileParser.Load(path).Errors.ShouldHaveSingleItem().ToString().ShouldBe($"{path}: there is no such file");
    }

    [Fact]
    public void A_folder_is_an_error() =>
        JobFileParser.Load(_folder).Errors.ShouldHaveSingleItem().Message.ShouldBe("is a folder; a job file is needed");

    [Fact]
    public void A_device_without_an_end_is_an_error() =>
        JobFileParser.Load("/dev/zero").Errors.ShouldHaveSingleItem().Message.ShouldStartWith("is larger than");

    [Fact]
    public void Binary_garbage_is_an_error()
    {
        var path = Path.Combine(_folder, "garbage");
        var bytes = new byte[4096];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(path, bytes);

        JobFileParser.Load(path).Errors.ShouldHaveSingleItem().Message.ShouldStartWith("is not valid UTF-8");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}

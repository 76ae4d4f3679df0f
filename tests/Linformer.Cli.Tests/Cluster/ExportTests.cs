using Google.Protobuf;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class ExportTests : ClusterTest
{
    private string Target => Path.Combine(Folder, "model");

    [Fact]
    public async Task A_model_arrives_whole()
    {
        Coordinator.Jobs.Files = [File("config.json", 4, "ab"), More("cd"), File("sub/empty", 0, ""), File("model.safetensors", 1, "x")];

        (await Run("export", "tiny", "--to", Target)).ShouldBe(0);

        System.IO.File.ReadAllText(Path.Combine(Target, "config.json")).ShouldBe("abcd");
        System.IO.File.ReadAllText(Path.Combine(Target, "sub/empty")).ShouldBeEmpty();
        Directory.GetFileSystemEntries(Folder).ShouldBe([Target]);
        Output.ToString().ShouldBe($"Exported 3 files, 5 B, to {Target}\n");
    }

    [Fact]
    public async Task Json_names_the_files()
    {
        Coordinator.Jobs.Files = [File("config.json", 2, "ab")];

        (await Run("export", "tiny", "--to", Target, "--output", "json")).ShouldBe(0);

        Json().GetProperty("files")[0].GetProperty("path").GetString().ShouldBe("config.json");
        Json().GetProperty("files")[0].GetProperty("bytes").GetInt64().ShouldBe(2);
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("/tmp/linformer-evil")]
    [InlineData("a/../../evil")]
    [InlineData("a//b")]
    [InlineData(".")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    public async Task A_path_outside_of_the_folder_is_refused(string path)
    {
        Coordinator.Jobs.Files = [File("config.json", 2, "ab"), File(path, 4, "evil")];

        (await Run("export", "tiny", "--to", Target)).ShouldBe(1);

        Error.ToString().ShouldContain("which is not inside the model's folder; nothing was exported.");
        NothingIsLeft();
        System.IO.File.Exists("/tmp/linformer-evil").ShouldBeFalse();
    }

    [Fact]
    public async Task Content_without_a_file_is_refused() => await Refused([More("x")], "without the name of a file");

    [Fact]
    public async Task A_file_that_is_cut_short_is_refused() => await Refused([File("a", 3, "xy"), File("b", 0, "")], "a came with 2 bytes instead of 3");

    [Fact]
    public async Task A_file_that_is_too_long_is_refused() => await Refused([File("a", 1, "xy")], "a came with 2 bytes instead of 1");

    [Fact]
    public async Task A_file_that_comes_twice_is_refused() => await Refused([File("a", 1, "x"), File("a", 1, "y")], "sent a twice");

    [Fact]
    public async Task A_model_without_files_is_refused() => await Refused([], "sent no files");

    [Fact]
    public async Task A_folder_with_files_is_kept_unless_forced()
    {
        Directory.CreateDirectory(Target);
        await System.IO.File.WriteAllTextAsync(Path.Combine(Target, "mine"), "");
        Coordinator.Jobs.Files = [File("a", 1, "x")];

        (await Run("export", "tiny", "--to", Target)).ShouldBe(1);
        Error.ToString().ShouldBe($"error: {Target} has files in it; --force replaces the folder with all that is in it.\n");
        Directory.GetFiles(Target).Select(Path.GetFileName).ShouldBe(["mine"]);

        (await Run("export", "tiny", "--to", Target + "/", "--force")).ShouldBe(0);
        Directory.GetFiles(Target).Select(Path.GetFileName).ShouldBe(["a"]);
        Directory.GetFileSystemEntries(Folder).ShouldBe([Target]);
    }

    [Fact]
    public async Task An_empty_folder_is_taken()
    {
        Directory.CreateDirectory(Target);
        Coordinator.Jobs.Files = [File("a", 1, "x")];

        (await Run("export", "tiny", "--to", Target)).ShouldBe(0);

        Directory.GetFileSystemEntries(Folder).ShouldBe([Target]);
    }

    [Fact]
    public async Task A_file_is_no_folder()
    {
        await System.IO.File.WriteAllTextAsync(Target, "");

        (await Run("export", "tiny", "--to", Target, "--force")).ShouldBe(1);

        Error.ToString().ShouldBe($"error: {Target} is a file; --to takes a folder.\n");
    }

    private static FileChunk File(string path, long size, string content) => new() { Path = path, Size = size, Content = ByteString.CopyFromUtf8(content) };

    private static FileChunk More(string content) => new() { Content = ByteString.CopyFromUtf8(content) };

    private async Task Refused(FileChunk[] files, string error)
    {
        Coordinator.Jobs.Files = files;

        (await Run("export", "tiny", "--to", Target)).ShouldBe(1);

        Error.ToString().ShouldContain(error);
        NothingIsLeft();
    }

    private void NothingIsLeft() => Directory.GetFileSystemEntries(Folder).ShouldBeEmpty();
}

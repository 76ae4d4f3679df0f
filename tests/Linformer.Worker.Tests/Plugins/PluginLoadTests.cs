using Linformer.Training.Plugins;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Tests.Plugins;

public sealed class PluginLoadTests : IDisposable
{
    private readonly PluginFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("ThrowsWhenMade", "the constructor of Linformer.Worker.TestPlugin.ThrowsWhenMade failed with InvalidOperationException: no constructor today")]
    [InlineData("ThrowsInCreate", "ThrowsInCreate.Create failed with FileNotFoundException: pictures.bin is not there")]
    [InlineData("GivesNothing", "GivesNothing.Create gave no task.")]
    [InlineData("NeedsArgument", "Linformer.Worker.TestPlugin.NeedsArgument has no public constructor without parameters.")]
    [InlineData("NoFactory", "plugin.type is 'Linformer.Worker.TestPlugin.NoFactory', and the class does not implement Linformer.Training.Plugins.ITrainingTaskFactory, or is abstract")]
    [InlineData("Missing", "plugin.type is 'Linformer.Worker.TestPlugin.Missing', and there is no such class in")]
    public void A_class_that_makes_no_task_is_named_with_the_reason(string type, string reason)
    {
        var error = Should.Throw<PluginException>(() => _folder.Load(type));

        error.Message.ShouldContain(reason);
        error.Message.ShouldContain(PluginFolder.Assembly);
    }

    [Fact]
    public void Of_several_classes_one_has_to_be_named() =>
        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job(""))).Message
            .ShouldContain("has several classes that implement Linformer.Training.Plugins.ITrainingTaskFactory: Linformer.Worker.TestPlugin.Faulty, Linformer.Worker.TestPlugin.GivesNothing,");

    [Fact]
    public void An_assembly_without_a_factory_is_refused()
    {
        File.Copy(typeof(PluginLoadTests).Assembly.Location.Replace("Tests.dll", "TestRank.dll", StringComparison.Ordinal), _folder.PathOf("other.dll"));

        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("", assembly: "other.dll"))).Message
            .ShouldBe("other.dll has no class that implements Linformer.Training.Plugins.ITrainingTaskFactory.");
    }

    [Fact]
    public void A_file_that_is_missing_is_named() =>
        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("", assembly: "plugins/none.dll"))).Message
            .ShouldBe($"plugin.assembly: there is no file plugins/none.dll below the storage root, which on this worker is {_folder.PathOf("").TrimEnd('/')}. All workers must have the same file there.");

    [Fact]
    public void A_rank_that_finds_another_assembly_than_the_job_began_with_is_refused()
    {
        using (_folder.Load("Good"))
        {
        }

        var bytes = File.ReadAllBytes(_folder.PathOf(PluginFolder.Assembly));
        Replace([.. bytes, 0]);
        var error = Should.Throw<PluginException>(() => _folder.Load("Good"));
        Replace(bytes);

        error.Message.ShouldMatch($"^The file {PluginFolder.Assembly} of this worker is another one \\(SHA-256 [0-9a-f]{{12}}…\\): the job began on machine {Environment.MachineName} with one of SHA-256 [0-9a-f]{{12}}…\\. All workers must have the same files");
        using var again = _folder.Load("Good");
    }

    [Fact]
    public void What_lies_beside_the_assembly_must_stay_too_and_other_files_may_change()
    {
        var beside = _folder.PathOf(Path.Combine(Path.GetDirectoryName(PluginFolder.Assembly)!, "Needed.dll"));
        File.WriteAllText(beside, "one");
        File.WriteAllText(Path.ChangeExtension(beside, ".json"), "one");
        using (_folder.Load("Good"))
        {
        }

        File.WriteAllText(Path.ChangeExtension(beside, ".json"), "two");
        File.WriteAllText(Path.ChangeExtension(beside, ".later.dll"), "new");
        using (_folder.Load("Good"))
        {
        }

        File.Delete(beside);
        Should.Throw<PluginException>(() => _folder.Load("Good")).Message.ShouldStartWith("The file plugins/line/Needed.dll is missing on this worker: the job began on machine ");
    }

    [Fact]
    public void Of_many_ranks_that_start_at_once_all_go_by_what_one_of_them_wrote()
    {
        Parallel.For(0, 12, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ => _folder.Load("Good").Dispose());

        Directory.GetFiles(_folder.PathOf("run")).Select(Path.GetFileName).ShouldBe([StorageLayout.PluginFilesName]);
    }

    [Fact]
    public void A_damaged_record_of_the_files_is_named()
    {
        Directory.CreateDirectory(_folder.PathOf("run"));
        File.WriteAllText(Path.Combine(_folder.PathOf("run"), StorageLayout.PluginFilesName), "{");

        Should.Throw<PluginException>(() => _folder.Load("Good")).Message.ShouldContain("plugin-files.json, which says what the job's plug-in is, is damaged");
    }

    [Fact]
    public void A_link_out_of_the_storage_root_is_not_followed()
    {
        File.CreateSymbolicLink(_folder.PathOf("link.dll"), typeof(PluginLoadTests).Assembly.Location);

        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("", assembly: "link.dll"))).Message.ShouldContain("link.dll");
    }

    [Theory]
    [InlineData("text")]
    [InlineData("")]
    public void What_is_no_assembly_is_refused(string content)
    {
        File.WriteAllText(_folder.PathOf("text.dll"), content);

        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("", assembly: "text.dll"))).Message.ShouldStartWith("text.dll is not a .NET assembly that this worker can load");
    }

    [Theory]
    [InlineData("Linformer.Training")]
    [InlineData("TorchSharp")]
    public void An_assembly_for_a_newer_release_is_refused_with_both_versions(string name)
    {
        _folder.ChangeReference(name, new Version(99, 1, 0, 0));

        Should.Throw<PluginException>(() => _folder.Load("Good")).Message
            .ShouldStartWith($"{PluginFolder.Assembly} was built against {name} 99.1.0.0; this worker has ");
    }

    [Fact]
    public void An_assembly_for_another_version_of_the_interface_is_refused_with_the_release_that_is_allowed()
    {
        // As when the interface's method had another name.
        var bytes = File.ReadAllBytes(_folder.PathOf(PluginFolder.Assembly));
        for (var at = bytes.AsSpan().IndexOf("Create\0"u8); at >= 0; at = bytes.AsSpan().IndexOf("Create\0"u8))
        {
            bytes[at] = (byte)'c';
        }

        File.WriteAllBytes(_folder.PathOf(PluginFolder.Assembly), bytes);
        var error = Should.Throw<PluginException>(() => _folder.Load("Good")).Message;

        error.ShouldStartWith($"{PluginFolder.Assembly}: a type cannot be loaded");
        error.ShouldContain("Method 'Create' in type");
        error.ShouldEndWith($"This worker has Linformer.Training {typeof(PluginException).Assembly.GetName().Version}: build the assembly against the release that all workers run.");
    }

    [Fact]
    public void A_worker_that_does_not_allow_it_loads_nothing() =>
        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("Linformer.Worker.TestPlugin.Good"), allowed: false)).Message
            .ShouldBe("This worker does not run tasks of others' (task plugin): it was started without --allow-plugins.");

    // This process has loaded the file, so it is not written over.
    private void Replace(byte[] bytes)
    {
        File.WriteAllBytes(_folder.PathOf("new.dll"), bytes);
        File.Move(_folder.PathOf("new.dll"), _folder.PathOf(PluginFolder.Assembly), overwrite: true);
    }
}

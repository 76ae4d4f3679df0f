using Linformer.Training.Plugins;

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
            .ShouldBe("plugin.assembly: there is no file plugins/none.dll below the storage root.");

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
    public void A_worker_that_does_not_allow_it_loads_nothing() =>
        Should.Throw<PluginException>(() => _folder.Load(PluginFolder.Job("Linformer.Worker.TestPlugin.Good"), allowed: false)).Message
            .ShouldBe("This worker does not run tasks of others' (task plugin): it was started without --allow-plugins.");
}

using Linformer.Model.Files;

namespace Linformer.Model.Tests.Files;

/// <summary>Paths held inside a root, with real links.</summary>
public sealed class ConfinedPathTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _root;
    private readonly string _outside;

    public ConfinedPathTests()
    {
        // The neighbour's name begins with the root's.
        _root = Path.Combine(_folder.Path, "data");
        _outside = Path.Combine(_folder.Path, "data-evil");
        Directory.CreateDirectory(Path.Combine(_root, "jobs", "a"));
        Directory.CreateDirectory(Path.Combine(_outside, "deep"));
        File.WriteAllText(Path.Combine(_root, "jobs", "a", "text"), "inside");
        File.WriteAllText(Path.Combine(_outside, "secret"), "outside");
    }

    [Theory]
    [InlineData("jobs/a/text", "jobs/a/text")]
    [InlineData("jobs/./a//text", "jobs/a/text")]
    [InlineData("jobs/new/folder", "jobs/new/folder")]
    [InlineData("..data", "..data")]
    public void A_path_inside_is_itself_whether_it_exists_or_not(string path, string expected) =>
        ConfinedPath.Resolve(_root, path).ShouldBe(Path.Combine(_root, expected));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("/")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("../data-evil/secret")]
    [InlineData("jobs/../../data-evil/secret")]
    [InlineData("jobs/a/..")]
    [InlineData("jobs\0/../x")]
    public void What_is_no_path_below_the_root_is_refused(string path) =>
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, path)).Message.ShouldContain(_root);

    [Fact]
    public void A_file_link_out_is_refused_with_the_path_where_it_leads_and_the_root()
    {
        Link("jobs/out", Path.Combine(_outside, "secret"));
        var message = Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, "jobs/out")).Message;
        message.ShouldBe($"jobs/out: a symbolic link leads out of the storage root {_root}, to {_outside}/secret.");
    }

    [Theory]
    [InlineData("../data-evil", "link/secret")]
    [InlineData("../data-evil", "link/not/there/yet")]
    [InlineData("../data-evil", "link")]
    [InlineData("..", "link/data-evil/secret")]
    [InlineData("../../..", "link/etc/passwd")]
    [InlineData("/", "link/etc/passwd")]
    [InlineData("jobs/../../data-evil/deep/..", "link/secret")]
    [InlineData("../nothing-there", "link/file")]
    public void A_folder_link_out_is_refused_also_for_what_does_not_exist(string target, string path)
    {
        Link("link", target);
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, path)).Message.ShouldContain("leads out of the storage root");
    }

    [Fact]
    public void A_chain_of_links_counts_by_its_end()
    {
        Link("one", "two/x");
        Link("two", "jobs");
        Link("jobs/x", "../three");
        Link("three", Path.Combine(_root, "jobs/a"));
        ConfinedPath.Resolve(_root, "one/text").ShouldBe(Path.Combine(_root, "jobs/a/text"));

        File.Delete(Path.Combine(_root, "three"));
        Link("three", _outside);
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, "one/secret")).Message.ShouldContain($"to {_outside}/secret");
    }

    [Fact]
    public void Dots_behind_a_link_are_the_parent_of_where_it_leads()
    {
        // Taken as text, jobs/up/../a would be jobs/a.
        Directory.CreateDirectory(Path.Combine(_root, "x", "y"));
        Link("jobs/up", "../x/y");
        Link("jobs/around", "up/../../jobs/a");
        ConfinedPath.Resolve(_root, "jobs/around/text").ShouldBe(Path.Combine(_root, "jobs/a/text"));
        Link("jobs/away", "up/../../../data-evil");
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, "jobs/away/secret"));
    }

    [Theory]
    [InlineData("self", "self")]
    [InlineData("circle", "circle/x")]
    [InlineData("grows", "grows/grows")]
    public void Links_in_a_circle_end_in_an_error(string name, string target)
    {
        Link(name, target);
        Should.Throw<IOException>(() => ConfinedPath.Resolve(_root, $"{name}/file")).Message.ShouldContain("circle");
    }

    [Fact]
    public void A_root_that_is_a_link_is_a_root_and_keeps_its_name()
    {
        var alias = Path.Combine(_folder.Path, "alias");
        Directory.CreateSymbolicLink(alias, "data");
        Link("first", "jobs");
        ConfinedPath.Resolve(alias, "first/a/text").ShouldBe(Path.Combine(alias, "jobs/a/text"));
        Link("second", _outside);
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(alias, "second/secret"));
    }

    [Fact]
    public void A_link_to_the_root_is_not_a_path_below_it()
    {
        Link("me", ".");
        Should.Throw<PathEscapeException>(() => ConfinedPath.Resolve(_root, "me")).Message.ShouldContain("itself");
        ConfinedPath.Resolve(_root, "me/jobs/a").ShouldBe(Path.Combine(_root, "jobs/a"));
    }

    [Fact]
    public void The_root_of_the_file_system_holds_everything() =>
        ConfinedPath.Resolve("/", Path.GetRelativePath("/", _outside)).ShouldBe(_outside);

    [Fact]
    public void A_link_that_takes_a_folders_place_after_the_check_is_noticed_when_it_is_opened()
    {
        var path = ConfinedPath.Resolve(_root, "jobs/a/text");
        Directory.Move(Path.Combine(_root, "jobs"), Path.Combine(_root, "moved"));
        Directory.CreateDirectory(Path.Combine(_outside, "a"));
        File.WriteAllText(Path.Combine(_outside, "a", "text"), "outside");
        Link("jobs", _outside);
        Should.Throw<PathEscapeException>(() => ConfinedPath.OpenRead(_root, path, "jobs/a/text"))
            .Message.ShouldBe($"jobs/a/text: a symbolic link leads out of the storage root {_root}, to {_outside}/a/text.");
    }

    [Fact]
    public void A_file_that_is_deleted_or_replaced_while_it_is_open_is_still_inside()
    {
        var path = Path.Combine(_root, "jobs", "a", "text");
        using var handle = ConfinedPath.OpenRead(_root, path, "text");
        File.Delete(path);
        Should.NotThrow(() => ConfinedPath.RequireOpenedInside(_root, handle, "text"));
        RandomAccess.GetLength(handle).ShouldBe(6);
    }

    public void Dispose() => _folder.Dispose();

    private void Link(string name, string target) => File.CreateSymbolicLink(Path.Combine(_root, name), target);
}

using System.Diagnostics;
using System.Net.Sockets;
using Linformer.Data.Corpora;

namespace Linformer.Data.Tests.Corpora;

public sealed class CorpusFilesTests : IDisposable
{
    private readonly TestFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Patterns_find_files_once_in_ordinal_order()
    {
        foreach (var path in (string[])["b.txt", "a.txt", "Z.txt", "sub/c.txt", "sub/deep/d.jsonl", "sub/deep/e.txt.gz", ".hidden.txt", "sub/.hidden/x.txt", "note.md"])
        {
            _root.Write(path, "text");
        }

        Paths("*.txt").ShouldBe(["Z.txt", "a.txt", "b.txt"]);
        Paths("?.txt", "a.txt", "./a.txt").ShouldBe(["Z.txt", "a.txt", "b.txt"]);
        Paths("sub/*.txt").ShouldBe(["sub/c.txt"]);
        Paths("*/deep/*").ShouldBe(["sub/deep/d.jsonl", "sub/deep/e.txt.gz"]);
        Paths("**/*.txt").ShouldBe(["Z.txt", "a.txt", "b.txt", "sub/c.txt"]);
        Paths("sub/**").ShouldBe(["sub/c.txt", "sub/deep/d.jsonl", "sub/deep/e.txt.gz"]);
        Paths(".hidden.txt").ShouldBe([".hidden.txt"]);
    }

    [Theory]
    [InlineData("x.txt", CorpusFormat.Text, false)]
    [InlineData("x.txt.gz", CorpusFormat.Text, true)]
    [InlineData("x.gz", CorpusFormat.Text, true)]
    [InlineData("x.jsonl", CorpusFormat.Jsonl, false)]
    [InlineData("x.JSONL.GZ", CorpusFormat.Jsonl, true)]
    public void The_name_tells_the_format(string name, CorpusFormat format, bool compressed)
    {
        _root.Write(name, "1234");
        CorpusFiles.Resolve(_root.Path, [name]).ShouldHaveSingleItem()
            .ShouldBe(new CorpusFile(name, _root.At(name), 4, format, compressed, _root.Path));
    }

    [Theory]
    [InlineData("missing.txt", "\"missing.txt\" matches no file")]
    [InlineData("none/*.txt", "\"none/*.txt\" matches no file")]
    [InlineData("/etc/passwd", "inside the storage root")]
    [InlineData("../secret.txt", "inside the storage root")]
    [InlineData("a/../../secret.txt", "inside the storage root")]
    [InlineData("", "empty entry")]
    [InlineData("note.md", "must end in .txt, .jsonl or .gz")]
    public void A_bad_pattern_is_named(string pattern, string message)
    {
        _root.Write("note.md", "text");
        _root.Write("good.txt", "text");
        Should.Throw<BadDataException>(() => CorpusFiles.Resolve(_root.Path, ["good.txt", pattern])).Message.ShouldContain(message);
    }

    [Fact]
    public void No_patterns_no_root_and_no_content_are_errors()
    {
        _root.Write("empty.txt", string.Empty);
        Should.Throw<BadDataException>(() => CorpusFiles.Resolve(_root.Path, [])).Message.ShouldContain("corpus.files is empty");
        Should.Throw<BadDataException>(() => CorpusFiles.Resolve(_root.At("nowhere"), ["a.txt"])).Message.ShouldContain("nowhere");
        Should.Throw<BadDataException>(() => CorpusFiles.Resolve(_root.Path, ["*.txt"])).Message.ShouldContain("The corpus is empty");
    }

    [Fact]
    public void Links_may_lead_anywhere_inside_the_root_but_not_out_of_it()
    {
        using var outside = new TestFolder();
        outside.Write("secret.txt", "secret");
        _root.Write("inside/a.txt", "text");
        File.CreateSymbolicLink(_root.At("link.txt"), "inside/a.txt");
        Directory.CreateSymbolicLink(_root.At("folder"), _root.At("inside"));
        Paths("link.txt", "folder/*.txt").ShouldBe(["folder/a.txt", "link.txt"]);

        File.CreateSymbolicLink(_root.At("out.txt"), outside.At("secret.txt"));
        Directory.CreateSymbolicLink(_root.At("away"), outside.Path);
        File.CreateSymbolicLink(_root.At("twice.txt"), "out.txt");
        foreach (var pattern in (string[])["out.txt", "away/secret.txt", "away/*", "twice.txt"])
        {
            Should.Throw<BadDataException>(() => Paths(pattern)).Message.ShouldContain("leads out of the storage root");
        }

        Should.Throw<BadDataException>(() => CorpusFiles.ResolveOne(_root.Path, "out.txt", "corpus.tokenizer.file")).Message.ShouldContain("leads out");
        Should.Throw<BadDataException>(() => CorpusFiles.ResolveOne(_root.Path, "../a.txt", "corpus.tokenizer.file")).Message.ShouldContain("corpus.tokenizer.file");
    }

    [Fact]
    public void A_corpus_that_moves_behind_a_link_out_after_the_check_is_not_read()
    {
        using var outside = new TestFolder();
        outside.Write("a.txt", "text");
        _root.Write("texts/a.txt", "text");
        var file = CorpusFiles.Resolve(_root.Path, ["texts/*.txt"]).ShouldHaveSingleItem();
        Directory.Delete(_root.At("texts"), recursive: true);
        Directory.CreateSymbolicLink(_root.At("texts"), outside.Path);
        Should.Throw<BadDataException>(() => CorpusReader.Read(file, separator: null).Count())
            .Message.ShouldBe($"texts/a.txt: a symbolic link leads out of the storage root {_root.Path}, to {outside.At("a.txt")}.");
    }

    [Fact]
    public void A_root_that_is_a_link_is_a_root()
    {
        using var elsewhere = new TestFolder();
        _root.Write("a.txt", "text");
        Directory.CreateSymbolicLink(elsewhere.At("root"), _root.Path);
        CorpusFiles.Resolve(elsewhere.At("root"), ["*.txt"]).ShouldHaveSingleItem().Path.ShouldBe("a.txt");
    }

    [Fact]
    public void A_link_to_nothing_is_an_unreadable_file()
    {
        _root.Write("a.txt", "text");
        File.CreateSymbolicLink(_root.At("broken.txt"), "nothing.txt");
        Should.Throw<BadDataException>(() => Paths("*.txt")).Message.ShouldContain("broken.txt: cannot be read");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void What_is_no_regular_file_is_refused_and_not_opened()
    {
        using (var mkfifo = Process.Start("mkfifo", _root.At("pipe.txt")))
        {
            mkfifo.WaitForExit();
            mkfifo.ExitCode.ShouldBe(0);
        }

        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_root.At("socket.txt")));
        File.CreateSymbolicLink(_root.At("link.txt"), "pipe.txt");
        _root.Write("a.txt", "text");

        Should.Throw<BadDataException>(() => Paths("pipe.txt")).Message.ShouldBe("pipe.txt: this is a named pipe; a regular file is needed.");
        Should.Throw<BadDataException>(() => Paths("link.txt")).Message.ShouldBe("link.txt: this is a named pipe; a regular file is needed.");
        Should.Throw<BadDataException>(() => Paths("socket.txt")).Message.ShouldBe("socket.txt: this is a socket; a regular file is needed.");
        Should.Throw<BadDataException>(() => CorpusFiles.Resolve("/dev", ["null"])).Message.ShouldBe("null: this is a device; a regular file is needed.");
        Should.Throw<BadDataException>(() => CorpusFiles.ResolveOne(_root.Path, "pipe.txt", "corpus.tokenizer.file"))
            .Message.ShouldBe("corpus.tokenizer.file: \"pipe.txt\": this is a named pipe; a regular file is needed.");
        Paths("a.txt").ShouldBe(["a.txt"]);
    }

    [Fact]
    public void What_the_system_cannot_read_now_is_no_bad_data()
    {
        // Links in a circle: neither missing nor forbidden, so the same error as of a disk to the caller.
        _root.Write("a.txt", "text");
        Directory.CreateSymbolicLink(_root.At("one"), "two");
        Directory.CreateSymbolicLink(_root.At("two"), "one");
        Should.Throw<IOException>(() => Paths("one")).Message.ShouldStartWith("one: cannot be read: ");
    }

    private List<string> Paths(params string[] patterns) => [.. CorpusFiles.Resolve(_root.Path, patterns).Select(file => file.Path)];
}

using System.Text;
using Linformer.Data.Corpora;

namespace Linformer.Data.Tests.Corpora;

public sealed class CorpusReaderTests : IDisposable
{
    private readonly TestFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_text_file_is_one_document_without_its_byte_order_mark()
    {
        Documents("a.txt", "one\n\ntwo\n").ShouldBe(["one\n\ntwo\n"]);
        Documents("b.txt", "\uFEFFone").ShouldBe(["one"]);
        Documents("c.txt", "\uFEFF").ShouldBeEmpty();
        Documents("d.txt", string.Empty).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("one\ntwo\n\nthree\n", new[] { "one\ntwo", "three" })]
    [InlineData("\n \t\n\none\r\n\r\n  \r\n\n two \n \n", new[] { "one", " two " })]
    [InlineData("one\n\ntwo", new[] { "one", "two" })]
    [InlineData("one\n   ", new[] { "one" })]
    [InlineData("\n\n \n", new string[0])]
    [InlineData("one", new[] { "one" })]
    public void Blank_lines_part_documents(string text, string[] documents)
    {
        Documents("a.txt", text, separator: string.Empty).ShouldBe(documents);
        _root.WriteGzip("a.txt.gz", text);
        Read("a.txt.gz", string.Empty).ShouldBe(documents);
    }

    [Theory]
    [InlineData("one\n\ntwo\n---\nthree\n --- \n---\nfour ---\n---", new[] { "one\n\ntwo", "three", "four ---" })]
    [InlineData("---\none\n----\n--\n", new[] { "one\n----\n--" })]
    public void Any_line_can_part_documents(string text, string[] documents) =>
        Documents("a.txt", text, separator: "---").ShouldBe(documents);

    [Fact]
    public void Each_line_of_JSON_is_a_document()
    {
        const string Lines = """
            {"text": "one\ntwo", "id": 1}

            {"meta": {"text": "no"}, "text": "Gr\u00fc\u00dfe 😀"}
            {"text": ""}
            {"text":"last"}
            """;
        Documents("a.jsonl", Lines).ShouldBe(["one\ntwo", "Grüße 😀", "last"]);
        _root.WriteGzip("b.jsonl.gz", Lines);
        Read("b.jsonl.gz").ShouldBe(["one\ntwo", "Grüße 😀", "last"]);
    }

    [Theory]
    [InlineData("[1]", "line 2: expected a JSON object, found an array")]
    [InlineData("\"text\"", "line 2: expected a JSON object, found a string")]
    [InlineData("{\"txt\": \"a\"}", "line 2: the object has no field \"text\"")]
    [InlineData("{\"text\": 5}", "line 2: the field \"text\" is not a string")]
    [InlineData("{\"text\": null}", "line 2: the field \"text\" is not a string")]
    [InlineData("{\"text\": \"a\"", "line 2:")]
    [InlineData("{\"text\": \"a\"} {}", "line 2:")]
    [InlineData("{\"text\": \"\\ud800\"}", "line 2:")]
    [InlineData("nonsense", "line 2:")]
    public void A_bad_line_of_JSON_is_named(string line, string message)
    {
        var text = $"{{\"text\": \"good\"}}\n{line}\n{{\"text\": \"good\"}}\n";
        Should.Throw<BadDataException>(() => Documents("bad.jsonl", text)).Message.ShouldStartWith($"bad.jsonl, {message}");
        _root.WriteGzip("bad.jsonl.gz", text);
        Should.Throw<BadDataException>(() => Read("bad.jsonl.gz")).Message.ShouldStartWith($"bad.jsonl.gz, {message}");
    }

    [Fact]
    public void Invalid_UTF8_is_an_error_with_its_place()
    {
        _root.Write("bad.txt", [.. "Grüße "u8, 0xC3, 0x28, .. "x"u8]);
        Should.Throw<BadDataException>(() => Read("bad.txt")).Message.ShouldBe("bad.txt: invalid UTF-8 at byte 8.");
        _root.Write("cut.txt", [.. "ok "u8, 0xE4, 0xB8]);
        Should.Throw<BadDataException>(() => Read("cut.txt")).Message.ShouldBe("cut.txt: invalid UTF-8 at byte 3.");

        // Far inside, beyond what is read at once.
        var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("text 世界 ", 250_000)));
        text[2_400_000] = 0xFF;
        _root.Write("far.txt", text);
        Should.Throw<BadDataException>(() => Read("far.txt")).Message.ShouldBe("far.txt: invalid UTF-8 at byte 2400000.");
    }

    [Fact]
    public void Binary_data_is_an_error()
    {
        _root.Write("zero.txt", "some\0text");
        Should.Throw<BadDataException>(() => Read("zero.txt")).Message.ShouldContain("zero.txt: a zero byte at byte 4");
        _root.Write("control.txt", string.Concat(Enumerable.Repeat("\u0001\u0002abc", 100)));
        Should.Throw<BadDataException>(() => Read("control.txt")).Message.ShouldContain("control.txt: 200 control characters");
        _root.Write("utf16.txt", Encoding.Unicode.GetBytes("text in UTF-16"));
        Should.Throw<BadDataException>(() => Read("utf16.txt")).Message.ShouldContain("utf16.txt");

        // A stray one is no reason to refuse a text.
        Documents("stray.txt", "a\u0001 form\ffeed").ShouldHaveSingleItem();
    }

    [Fact]
    public void Gzip_that_is_cut_off_anywhere_or_altered_is_an_error()
    {
        var gzip = TestFolder.Gzip(Encoding.UTF8.GetBytes(SomeText.Make(2000, 1)));
        foreach (var left in (int[])[5, 10, 20, 200, gzip.Length / 2, gzip.Length - 9, gzip.Length - 8, gzip.Length - 1])
        {
            _root.Write("cut.txt.gz", gzip[..left]);
            Should.Throw<BadDataException>(() => Read("cut.txt.gz"), $"{left} bytes left").Message.ShouldContain("cut.txt.gz: the gzip data is damaged or cut off");
        }

        gzip[^6] ^= 1; // in the checksum
        _root.Write("cut.txt.gz", gzip);
        Should.Throw<BadDataException>(() => Read("cut.txt.gz")).Message.ShouldContain("cut.txt.gz: the gzip data is damaged");
        _root.Write("plain.gz", "not gzip at all");
        Should.Throw<BadDataException>(() => Read("plain.gz")).Message.ShouldContain("plain.gz: the gzip data is damaged");
    }

    [Fact]
    public void A_file_that_vanished_or_changed_its_size_is_an_error()
    {
        _root.Write("a.txt", "text");
        var file = CorpusFiles.Resolve(_root.Path, ["a.txt"])[0];
        _root.Write("a.txt", "longer text");
        Should.Throw<BadDataException>(() => CorpusReader.Read(file, null).ToList()).Message.ShouldContain("11 bytes now, but had 4");
        File.Delete(file.FullPath);
        Should.Throw<BadDataException>(() => CorpusReader.Read(file, null).ToList()).Message.ShouldContain("a.txt: cannot be read");
    }

    [Fact]
    public void A_large_document_comes_in_pieces_that_encode_as_the_whole_does()
    {
        var text = SomeText.Make(900_000, 3);
        _root.Write("large.txt", text);
        var pieces = CorpusReader.Read(CorpusFiles.Resolve(_root.Path, ["large.txt"])[0], null).Select(chunk => chunk with { Utf8 = chunk.Utf8.ToArray() }).ToList();
        pieces.Count.ShouldBeGreaterThan(2);
        pieces.ShouldAllBe(piece => piece.Utf8.Length <= 2 << 20);
        pieces.Select(piece => piece.StartsDocument).ShouldBe([true, .. Enumerable.Repeat(false, pieces.Count - 1)]);
        pieces.Select(piece => piece.EndsDocument).ShouldBe([.. Enumerable.Repeat(false, pieces.Count - 1), true]);

        var tokenizer = SomeTokenizer.Make();
        var tokens = pieces.SelectMany(piece => tokenizer.Encode(piece.Utf8.Span)).ToArray();
        tokens.AsSpan().SequenceEqual(tokenizer.Encode(text)).ShouldBeTrue();
    }

    [Fact]
    public void Large_documents_between_separators_stay_whole()
    {
        var documents = Enumerable.Range(0, 4).Select(i => SomeText.Make(300_000, i).TrimEnd()).ToArray();
        var read = Documents("large.txt", string.Join("\n=== end ===\n", documents), separator: "=== end ===");
        read.Count.ShouldBe(documents.Length);
        read.Zip(documents).ShouldAllBe(pair => string.Equals(pair.First, pair.Second, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a.txt", null)]
    [InlineData("a.txt", "")]
    [InlineData("a.txt", "--- -")]
    [InlineData("a.jsonl", null)]
    public void Parts_of_a_file_together_are_the_file(string name, string? separator)
    {
        var random = new Random(5);
        _root.Write(name, MixedText(name, random));
        var file = CorpusFiles.Resolve(_root.Path, [name])[0];
        var whole = Read(name, separator);
        whole.Count.ShouldBeGreaterThan(separator is null && file.Format == CorpusFormat.Text ? 0 : 5);
        for (var round = 0; round < 200; round++)
        {
            var bounds = Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.NextInt64(file.Bytes)).Append(0).Append(file.Bytes).Order().ToArray();
            var chunks = bounds.Zip(bounds.Skip(1)).SelectMany(part => CorpusReader.Read(file, separator, part.First, part.Second).Select(chunk => chunk with { Utf8 = chunk.Utf8.ToArray() }));
            Join(chunks).ShouldBe(whole, $"parts at {string.Join(", ", bounds)}");
        }
    }

    private static string MixedText(string name, Random random)
    {
        var text = new StringBuilder();
        for (var i = 0; i < 60; i++)
        {
            var line = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(6) switch { 0 => " ", 1 => "世", 2 => "é ", 3 => "\u3000", _ => "word " }));
            text.Append(name.EndsWith(".jsonl", StringComparison.Ordinal)
                ? $"{{\"text\": \"{line}\"}}\n"
                : line + random.Next(5) switch { 0 => "\n\n", 1 => "\r\n \r\n\n", 2 => "\n--- -\n", 3 => "\n", _ => "  " });
        }

        return text.ToString();
    }

    private List<string> Documents(string name, string text, string? separator = null)
    {
        _root.Write(name, text);
        return Read(name, separator);
    }

    private List<string> Read(string name, string? separator = null) =>
        Join(CorpusReader.Read(CorpusFiles.Describe(name, _root.At(name), new FileInfo(_root.At(name)).Length), separator));

    private static List<string> Join(IEnumerable<TextChunk> chunks)
    {
        var documents = new List<string>();
        var ended = true;
        foreach (var chunk in chunks)
        {
            chunk.StartsDocument.ShouldBe(ended);
            if (chunk.StartsDocument)
            {
                documents.Add(string.Empty);
            }

            documents[^1] += Encoding.UTF8.GetString(chunk.Utf8.Span);
            ended = chunk.EndsDocument;
        }

        ended.ShouldBeTrue();
        return documents;
    }
}

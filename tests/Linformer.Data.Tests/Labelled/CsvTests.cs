using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;

namespace Linformer.Data.Tests.Labelled;

/// <summary>Labelled examples in comma-separated values.</summary>
public sealed class CsvTests : IDisposable
{
    private static readonly ExampleLayout Layout = new() { Format = ExampleFormat.Csv };

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Fields_in_quotation_marks_hold_commas_line_ends_and_quotation_marks() =>
        Read("id,text,label\r\n1,plain,a\r\n2,\"one, two\",b\n\n3,\"She said \"\"no\"\".\r\nThen\nleft.\",a\n4,\"\",b\n\"5\",\"\"\"\",\"a\"").ShouldBe(
        [
            new("a", "plain", null), new("b", "one, two", null), new("a", "She said \"no\".\r\nThen\nleft.", null), new("b", "", null), new("a", "\"", null),
        ]);

    [Fact]
    public void Columns_are_named_or_numbered_and_a_name_goes_before_a_number()
    {
        const string Content = "label,\"first, text\",1,x\nno,a,b,c\n";
        Read(Content, Layout with { Text = "first, text", TextPair = "4" }).ShouldBe([new("no", "a", "c")]);
        Read(Content, Layout with { Text = "2", Label = "1" }).ShouldBe([new("b", "a", null)]);
    }

    [Fact]
    public void Gzip_and_a_byte_order_mark_make_no_difference()
    {
        var path = _folder.WriteGzip("t.csv.gz", "\uFEFF\"text\",label\n\"a,\nb\",1\n");
        ExampleReader.Read(CorpusFiles.Describe("t.csv.gz", path, new FileInfo(path).Length), Layout).ShouldBe([new("1", "a,\nb", null)]);
        Read("\uFEFFtext,label\ngood,1\n").ShouldBe([new("1", "good", null)]);
    }

    [Fact]
    public void Whatever_is_written_as_rfc_4180_has_it_is_read_back()
    {
        var field = Gen.Elements("a", "b", " ", ",", "\"", "\n", "\r\n", "ü", "€", "1").ListOf().Select(parts => string.Concat(parts));
        var row = from text in field from label in field select (Text: text, Label: label);
        Prop.ForAll(row.ListOf().ToArbitrary(), rows =>
        {
            var wanted = rows.Select(row => new LabelledText(row.Label.Trim(), row.Text, null)).Where(row => row.Label.Length > 0).ToList();
            var content = "text,label\r\n" + string.Concat(wanted.Select((row, i) => $"{Quoted(row.Text, i % 2 == 0)},{Quoted(row.Label, i % 3 == 0)}{(i % 2 == 0 ? "\r\n" : "\n")}"));
            Read(content).ShouldBe(wanted);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void A_record_longer_than_the_window_is_read_whole()
    {
        var text = string.Concat(Enumerable.Repeat("line, \"word\"\n", 200_000));
        Read($"text,label\n{Quoted(text, always: true)},a\nshort,b\n").ShouldBe([new("a", text, null), new("b", "short", null)]);
    }

    [Theory]
    [InlineData("text,label\n\"a\nb\",1\nx\"y,2\n", "t.csv, line 4: column 1 has a quotation mark inside; a field with one stands in quotation marks, and has it doubled.")]
    [InlineData("text,label\n\"a\"b,1\n", "t.csv, line 2: column 1 goes on behind its closing quotation mark; inside of a field it has to be doubled.")]
    [InlineData("text,label\na,1\nb,\"2\nc,3\n", "t.csv, line 3: a quotation mark opens a field of the record that begins here, and none closes it before the end of the file.")]
    [InlineData("text,label\na,b,c\n", "t.csv, line 2: has 3 columns; the first line names 2: text, label.")]
    [InlineData("text,label\na,\n", "t.csv, line 2: the label is empty; the name of a class is expected.")]
    [InlineData("a,b\nx,1\n", "t.csv, line 1: has no column \"text\"; the first line must have the columns' names, parted by commas, and has: a, b.")]
    [InlineData("te\"xt,label\nx,1\n", "t.csv, line 1: column 1 has a quotation mark inside; a field with one stands in quotation marks, and has it doubled.")]
    [InlineData("text\nx\n", "t.csv, line 1: has one column; the first line must have the names of at least two columns, parted by commas.")]
    public void A_record_that_is_no_example_is_named_by_its_first_line(string content, string message) =>
        Should.Throw<BadDataException>(() => Read(content)).Message.ShouldBe(message);

    [Fact]
    public void Bad_records_are_left_out_where_that_is_asked_for_but_not_what_an_open_quotation_mark_swallows()
    {
        var skips = Layout with { SkipsBadLines = true };
        Read("text,label\nx\"y,1\n\"a\"b,1\nc\n\"good, one\",2\n", skips).ShouldBe([new("2", "good, one", null)]);
        Should.Throw<BadDataException>(() => Read("text,label\na,1\n\"b,2\nc,3\n", skips)).Message.ShouldContain("line 3");
    }

    [Fact]
    public void A_column_number_beyond_the_last_is_named() =>
        Should.Throw<BadDataException>(() => Read("text,label\na,1\n", Layout with { Text = "3" })).Message.ShouldContain("has no column \"3\"");

    // Where a record begins is known only from the beginning of the file, so no shard begins inside of one.
    [Fact]
    public void A_corpus_of_many_shards_has_every_record_once()
    {
        var rows = Enumerable.Range(0, 300).Select(i => (Text: $"text {i},\n\"{new string('x', i % 17)}\"", Label: i % 2 == 0 ? "a" : "b")).ToList();
        foreach (var part in rows.Chunk(60).Select((part, number) => (part, number)))
        {
            _folder.Write($"corpus/{part.number}.csv", "text,label\n" + string.Concat(part.part.Select(row => $"{Quoted(row.Text, always: true)},{row.Label}\n")));
        }

        var settings = new CorpusSettings { Files = ["corpus/*.csv"], VocabularySize = 300, Examples = Layout, ShardBytes = 500 };
        var corpus = CorpusPreparation.Prepare(settings, _folder.Path, Path.Combine(_folder.Path, "cache"));
        using var dataset = LabelledDataset.Open(corpus.Folder, corpus.Tokenizer, heldOut: 0);

        dataset.Training.Count.ShouldBe(300);
        Enumerable.Range(0, 300).Select(i => corpus.Tokenizer.DecodeText(dataset.Training.Read(i).Text)).Order(StringComparer.Ordinal)
            .ShouldBe(rows.Select(row => row.Text).Order(StringComparer.Ordinal));
    }

    private static string Quoted(string text, bool always) =>
        always || text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;

    private List<LabelledText> Read(string content, ExampleLayout? layout = null)
    {
        var path = _folder.Write("t.csv", content);
        return [.. ExampleReader.Read(CorpusFiles.Describe("t.csv", path, Encoding.UTF8.GetByteCount(content)), layout ?? Layout)];
    }
}

using Linformer.Data.Corpora;
using Linformer.Data.Labelled;

namespace Linformer.Data.Tests.Labelled;

public sealed class ExampleReaderTests : IDisposable
{
    private static readonly ExampleLayout Sst = new() { Format = ExampleFormat.Table, Text = "sentence" };
    private static readonly ExampleLayout Qqp = new()
    {
        Format = ExampleFormat.Table,
        Text = "question1",
        TextPair = "question2",
        Label = "is_duplicate",
    };

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_table_of_one_text_is_read_as_sst_2_is_published() =>
        Read("train.tsv", "sentence\tlabel\nhide new secretions \t0\n\"no wit , only labored gags\t0\r\nit 's great\t1\n", Sst).ShouldBe(
            [new("0", "hide new secretions ", null), new("0", "\"no wit , only labored gags", null), new("1", "it 's great", null)]);

    [Fact]
    public void A_table_of_pairs_is_read_by_the_names_of_its_columns() =>
        Read("train.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n7\t1\t2\tHow?\tWhy?\t1\n", Qqp).ShouldBe([new("1", "How?", "Why?")]);

    [Fact]
    public void Gzip_and_a_byte_order_mark_make_no_difference()
    {
        var path = _folder.WriteGzip("train.tsv.gz", "\uFEFFsentence\tlabel\ngood\t1\n");
        var file = CorpusFiles.Describe("train.tsv.gz", path, new FileInfo(path).Length);
        ExampleReader.Read(file, Sst).ShouldBe([new("1", "good", null)]);
        Read("bom.tsv", "\uFEFFsentence\tlabel\ngood\t1\n", Sst).ShouldBe([new("1", "good", null)]);
    }

    [Fact]
    public void Parts_of_a_table_together_are_the_table_wherever_it_is_cut()
    {
        var lines = Enumerable.Range(0, 20).Select(i => $"text {new string('x', i * 7 % 11)} {i}\t{i % 3}");
        var file = Write("t.tsv", "sentence\tlabel\n" + string.Join('\n', lines) + "\n");
        var whole = ExampleReader.Read(file, Sst).ToList();
        whole.Count.ShouldBe(20);
        for (var cut = 0L; cut <= file.Bytes; cut++)
        {
            ExampleReader.Read(file, Sst, 0, cut).Concat(ExampleReader.Read(file, Sst, cut, file.Bytes)).ShouldBe(whole, $"cut at {cut}");
        }
    }

    [Fact]
    public void Lines_of_json_have_labels_of_any_plain_kind()
    {
        var layout = new ExampleLayout { Format = ExampleFormat.JsonLines, Text = "a", TextPair = "b" };
        Read("t.jsonl", """
            {"a": "x\ty", "b": "", "label": "neutral"}

            {"label": 2, "b": "q", "a": "p", "more": []}
            {"a": "", "b": "c", "label": true}
            """, layout).ShouldBe([new("neutral", "x\ty", ""), new("2", "p", "q"), new("true", "", "c")]);
    }

    [Fact]
    public void A_file_in_a_folder_has_its_class()
    {
        var layout = new ExampleLayout { Format = ExampleFormat.Folders };
        Read("imdb/train/pos/0_9.txt", "Good.\n\nVery.", layout).ShouldBe([new("pos", "Good.\n\nVery.", null)]);
        Read("imdb/train/neg/1_1.txt", "", layout).ShouldBe([new("neg", "", null)]);
    }

    [Theory]
    [InlineData("a\tlabel\nx\t1\n", "t.tsv, line 1: has no column \"sentence\"; the first line must have the columns' names, parted by tabs, and has: a, label.")]
    [InlineData("sentence\tsentence\tlabel\nx\ty\t1\n", "t.tsv, line 1: names the column \"sentence\" twice, so that nobody knows which is meant.")]
    [InlineData("sentence\tlabel\nx\t1\n\ny\n", "t.tsv, line 4: has 1 column; the first line names 2: sentence, label.")]
    [InlineData("sentence\tlabel\nx\t \n", "t.tsv, line 2: the label is empty; the name of a class is expected.")]
    [InlineData("sentence\nx\n", "t.tsv, line 1: has one column; the first line must have the names of at least two columns, parted by tabs.")]
    public void A_line_that_is_no_example_is_named(string content, string message) =>
        Should.Throw<BadDataException>(() => Read("t.tsv", content, Sst)).Message.ShouldBe(message);

    [Theory]
    [InlineData("[1]", "t.jsonl, line 2: expected one JSON object.")]
    [InlineData("{\"label\": 1}", "t.jsonl, line 2: the object has no field \"text\"; it has: label.")]
    [InlineData("{\"text\": 3, \"label\": 1}", "t.jsonl, line 2: the field \"text\" is not a string.")]
    [InlineData("{\"text\": \"x\", \"label\": []}", "t.jsonl, line 2: the field \"label\" is neither a string nor a number.")]
    [InlineData("{\"text\": \"x\", \"label\": \"c\"}", "t.jsonl, line 2: the label \"c\" is none of corpus.examples.classes: a, b.")]
    public void So_is_one_of_json(string line, string message) =>
        Should.Throw<BadDataException>(() => Read("t.jsonl", "{\"text\": \"x\", \"label\": \"a\"}\n" + line, new ExampleLayout { Format = ExampleFormat.JsonLines, Classes = ["a", "b"] }))
            .Message.ShouldBe(message);

    [Fact]
    public void A_number_has_to_be_finite()
    {
        var layout = Sst with { IsNumber = true };
        Read("good.tsv", "sentence\tlabel\nx\t-1.5e0\n", layout).ShouldBe([new("-1.5e0", "x", null)]);
        Should.Throw<BadDataException>(() => Read("t.tsv", "sentence\tlabel\nx\tNaN\n", layout)).Message.ShouldBe("t.tsv, line 2: the label \"NaN\" is not a finite number.");
        Should.Throw<BadDataException>(() => Read("t.tsv", "sentence\tlabel\nx\tfour\n", layout)).Message.ShouldBe("t.tsv, line 2: the label \"four\" is not a finite number.");
    }

    [Fact]
    public void Bad_lines_are_left_out_if_asked_for() =>
        Read("t.tsv", "sentence\tlabel\nx\t1\nbad\n\ty\tz\nw\t0\n", Sst with { SkipsBadLines = true }).ShouldBe([new("1", "x", null), new("0", "w", null)]);

    [Fact]
    public void A_file_of_another_kind_is_refused() =>
        Should.Throw<BadDataException>(() => Read("t.txt", "sentence\tlabel\n", Sst)).Message
            .ShouldBe("t.txt: corpus.examples says that the files are tables, which end in .tsv or .tsv.gz.");

    private List<LabelledText> Read(string name, string content, ExampleLayout layout) => [.. ExampleReader.Read(Write(name, content), layout)];

    private CorpusFile Write(string name, string content)
    {
        var path = _folder.Write(name, content);
        return CorpusFiles.Describe(name, path, new FileInfo(path).Length);
    }
}

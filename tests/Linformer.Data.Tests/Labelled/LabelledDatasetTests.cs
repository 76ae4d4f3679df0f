using Linformer.Data.Labelled;

namespace Linformer.Data.Tests.Labelled;

public sealed class LabelledDatasetTests : IDisposable
{
    private static readonly ExampleLayout Table = new() { Format = ExampleFormat.Table };

    private readonly TestFolder _folder = new();

    public LabelledDatasetTests() => SomeTokenizer.Make().Save(_folder.At("tokenizer.json"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_example_comes_back_with_its_texts_and_its_class_whatever_the_size_of_shards()
    {
        var rows = Enumerable.Range(0, 40).Select(i => (Text: $"the {i} of </s> <s> and", Pair: i % 5 == 0 ? "" : $"it was {i}\u00E9", Label: (i % 3).ToString())).ToList();
        _folder.Write("t.tsv", "text\tmore\tlabel\n" + string.Concat(rows.Select(row => $"{row.Text}\t{row.Pair}\t{row.Label}\n")));
        var fingerprints = new HashSet<string>();
        foreach (var shardBytes in (long[])[1 << 20, 100])
        {
            using var dataset = Open(Table with { TextPair = "more" }, ["t.tsv"], shardBytes: shardBytes);
            (dataset.Manifest.Shards.Count > 1).ShouldBe(shardBytes < 1000);
            dataset.Classes.ShouldBe(["0", "1", "2"]);
            dataset.HeldOut.Count.ShouldBe(0);
            var tokenizer = SomeTokenizer.Make();
            Enumerable.Range(0, (int)dataset.Training.Count)
                .Select(i => (tokenizer.DecodeText(dataset.Training.Read(i).Text), tokenizer.DecodeText(dataset.Training.Read(i).TextPair!), dataset.Classes[(int)dataset.Training.Target(i)]))
                .ShouldBe(rows);
            fingerprints.Add(dataset.Manifest.Fingerprint).ShouldBeTrue();
        }
    }

    [Fact]
    public void Classes_are_in_the_order_of_their_numbers_or_names_or_of_the_settings()
    {
        _folder.Write("n.tsv", "text\tlabel\nx\t10\ny\t9\nz\t-1\n");
        _folder.Write("t.tsv", "text\tlabel\nx\tb\ny\tB\nz\ta\n");
        using (var numbers = Open(Table, ["n.tsv"]))
        {
            numbers.Classes.ShouldBe(["-1", "9", "10"]);
        }

        using (var names = Open(Table, ["t.tsv"]))
        {
            names.Classes.ShouldBe(["B", "a", "b"]);
        }

        using var given = Open(Table with { Classes = ["b", "a", "never", "B"] }, ["t.tsv"]);
        given.Classes.ShouldBe(["b", "a", "never", "B"]);
        Enumerable.Range(0, 3).Select(i => given.Training.Target(i)).ShouldBe([0, 3, 1]);
    }

    [Fact]
    public void Held_out_files_are_never_trained_on_and_no_shard_has_both()
    {
        _folder.Write("train/pos/1.txt", "the good");
        _folder.Write("train/neg/1.txt", "the bad");
        _folder.Write("test/neg/1.txt", "");
        _folder.Write("test/pos/7.txt", "very good");
        using var dataset = Open(new ExampleLayout { Format = ExampleFormat.Folders }, ["train/*/*.txt"], heldOutFiles: ["test/*/*.txt"]);
        dataset.Classes.ShouldBe(["neg", "pos"]);
        Texts(dataset.Training).ShouldBe([("the bad", 0), ("the good", 1)]);
        Texts(dataset.HeldOut).ShouldBe([("", 0), ("very good", 1)]);
        dataset.Manifest.FirstHeldOutShard.ShouldBe(1);
        dataset.Manifest.Shards.Count.ShouldBe(2);

        Should.Throw<BadDataException>(() => Open(new ExampleLayout { Format = ExampleFormat.Folders }, ["train/*/*.txt"], heldOutFiles: ["train/pos/*.txt"]))
            .Message.ShouldBe("train/pos/1.txt: is in corpus.files and in corpus.heldOutFiles; what is measured on is not trained on.");
    }

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(40)]
    public void A_class_that_only_held_out_files_have_is_refused_with_its_line_and_the_classes_of_training(long shardBytes)
    {
        _folder.Write("train.tsv", "text\tlabel\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"train {i}\t{(i % 2 == 0 ? "yes" : "no")}\n")));
        _folder.Write("a.tsv", "text\tlabel\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"first {i}\tno\n")));
        _folder.Write("b.tsv", "text\tlabel\nx\tyes\n\ny\tmaybe\nz\tnever\n");
        const string Rest = "the class \"maybe\" is in corpus.heldOutFiles and not in corpus.files, so the model would never learn it. The classes of corpus.files are: no, yes. "
            + "Add examples of it there, leave it out here, or name all classes in corpus.examples.classes.";
        using (var named = Open(Table with { Classes = ["no", "yes", "maybe", "never"] }, ["train.tsv"], heldOutFiles: ["a.tsv", "b.tsv"], shardBytes: shardBytes))
        {
            named.CheckHeldOutClasses(_folder.Path);
            named.UntrainedClasses().ShouldBe(["maybe", "never"]);
        }

        using (var same = Open(Table, ["train.tsv"], heldOutFiles: ["a.tsv"], shardBytes: shardBytes))
        {
            same.CheckHeldOutClasses(_folder.Path);
            same.UntrainedClasses().ShouldBeEmpty();
        }

        using var dataset = Open(Table, ["train.tsv"], heldOutFiles: ["a.tsv", "b.tsv"], shardBytes: shardBytes);
        Should.Throw<BadDataException>(() => dataset.CheckHeldOutClasses(_folder.Path)).Message.ShouldBe($"b.tsv, line 4: {Rest}");

        // Shards outlive the files that they were made of.
        File.Delete(_folder.At("b.tsv"));
        Should.Throw<BadDataException>(() => dataset.CheckHeldOutClasses(_folder.Path)).Message.ShouldBe($"example 22 of corpus.heldOutFiles: {Rest}");
    }

    [Fact]
    public void A_strange_class_of_a_folder_is_named_with_its_file_and_numbers_have_none()
    {
        _folder.Write("train/pos/1.txt", "the good");
        _folder.Write("train/neg/1.txt", "the bad");
        _folder.Write("test/odd/7.txt", "very odd");
        _folder.Write("n.tsv", "text\tlabel\nx\t2.5\n");
        _folder.Write("m.tsv", "text\tlabel\ny\t3.5\n");
        using var folders = Open(new ExampleLayout { Format = ExampleFormat.Folders }, ["train/*/*.txt"], heldOutFiles: ["test/*/*.txt"]);
        using var numbers = Open(Table with { IsNumber = true }, ["n.tsv"], heldOutFiles: ["m.tsv"]);

        Should.Throw<BadDataException>(() => folders.CheckHeldOutClasses(_folder.Path)).Message
            .ShouldStartWith("test/odd/7.txt: the class \"odd\" is in corpus.heldOutFiles and not in corpus.files, so the model would never learn it. The classes of corpus.files are: neg, pos.");
        numbers.CheckHeldOutClasses(_folder.Path);
    }

    [Fact]
    public void The_names_of_folders_are_part_of_the_fingerprint()
    {
        _folder.Write("a/x/1.txt", "text one");
        _folder.Write("a/y/1.txt", "text two");
        _folder.Write("b/x/1.txt", "text one");
        _folder.Write("b/z/1.txt", "text two");
        var layout = new ExampleLayout { Format = ExampleFormat.Folders };
        using var first = Open(layout, ["a/*/*.txt"]);
        using var second = Open(layout, ["b/*/*.txt"]);
        second.Manifest.Fingerprint.ShouldNotBe(first.Manifest.Fingerprint);
        second.Classes.ShouldBe(["x", "z"]);
    }

    [Fact]
    public void A_share_is_held_out_by_text_so_that_equal_texts_are_on_one_side()
    {
        _folder.Write("t.tsv", "text\tlabel\n" + string.Concat(Enumerable.Range(0, 600).Select(i => $"text {i % 300}\t{i / 300}\n")));
        using var dataset = Open(Table, ["t.tsv"], heldOut: 0.2);
        var (training, heldOut) = (Texts(dataset.Training), Texts(dataset.HeldOut));
        (training.Count + heldOut.Count).ShouldBe(600);
        heldOut.Count.ShouldBeInRange(60, 180);
        training.Select(example => example.Text).Intersect(heldOut.Select(example => example.Text)).ShouldBeEmpty();
    }

    [Fact]
    public void Numbers_are_targets_as_they_are()
    {
        _folder.Write("t.tsv", "text\tlabel\nx\t2.5\ny\t-1e-3\n");
        using var dataset = Open(Table with { IsNumber = true }, ["t.tsv"]);
        dataset.Classes.ShouldBeEmpty();
        Enumerable.Range(0, 2).Select(i => dataset.Training.Target(i)).ShouldBe([2.5, -0.001]);
    }

    [Fact]
    public void One_class_is_no_classification()
    {
        _folder.Write("t.tsv", "text\tlabel\nx\tonly\ny\tonly\n");
        Should.Throw<BadDataException>(() => Open(Table, ["t.tsv"])).Message.ShouldStartWith("The corpus's examples have 1 different label (\"only\"); a classification needs 2 to 10000.");
    }

    [Fact]
    public void A_table_is_no_text_to_train_a_language_model_on()
    {
        _folder.Write("t.tsv", "text\tlabel\nx\ta\ny\tb\n");
        Should.Throw<BadDataException>(() => CorpusPreparation.Prepare(new CorpusSettings { Files = ["t.tsv"], TokenizerFile = "tokenizer.json" }, _folder.Path, _folder.At("cache")))
            .Message.ShouldBe("t.tsv: a table has no text to train on by itself; name its columns in corpus.examples.");
        using var dataset = Open(Table, ["t.tsv"]);
        var folder = Directory.GetDirectories(_folder.At("cache/corpora"))[0];
        Should.Throw<BadDataException>(() => SequenceDataset.Open(folder, 8, 0, 2)).Message.ShouldContain("Use task: classification");
    }

    private LabelledDataset Open(
        ExampleLayout layout, string[] files, double heldOut = 0, string[]? heldOutFiles = null, long shardBytes = 1 << 20)
    {
        var settings = new CorpusSettings
        {
            Files = files,
            TokenizerFile = "tokenizer.json",
            Examples = layout,
            HeldOutFiles = heldOutFiles,
            ShardBytes = shardBytes,
        };
        var prepared = CorpusPreparation.Prepare(settings, _folder.Path, _folder.At("cache"));
        return LabelledDataset.Open(prepared.Folder, prepared.Tokenizer, heldOut);
    }

    private static List<(string Text, double Target)> Texts(ExampleSet set) =>
        [.. Enumerable.Range(0, (int)set.Count).Select(i => (SomeTokenizer.Make().DecodeText(set.Read(i).Text), set.Target(i)))];
}

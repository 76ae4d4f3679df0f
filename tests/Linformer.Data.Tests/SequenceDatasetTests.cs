using FsCheck;
using FsCheck.Fluent;
using Linformer.Data.Tests.Shards;

namespace Linformer.Data.Tests;

public sealed class SequenceDatasetTests : IDisposable
{
    private const int Separator = 2;
    private const int Document = 5;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sequences_are_packed_with_separators_between_documents()
    {
        WriteLetters("ab", "cde", "f");
        using var dataset = SequenceDataset.Open(_folder.At("shards"), n: 3, heldOut: 0, Separator);
        var set = dataset.Training;
        (set.Tokens, set.Count).ShouldBe((8, 3));
        Read(set, 0).ShouldBe([Letter('a'), Letter('b'), Separator]);
        Read(set, 1).ShouldBe([Letter('c'), Letter('d'), Letter('e')]);
        Read(set, 2).ShouldBe([Separator, Letter('f')]);
        dataset.HeldOut.Count.ShouldBe(0);
        Should.Throw<ArgumentOutOfRangeException>(() => set.Read(3, new int[3]));
        Should.Throw<ArgumentOutOfRangeException>(() => set.Read(-1, new int[3]));
        Should.Throw<ArgumentException>(() => set.Read(0, new int[2]));

        var room = Enumerable.Repeat(-7, 5).ToArray();
        set.Read(2, room).ShouldBe(2);
        room[2..].ShouldBe([-7, -7, -7]);
    }

    // Every token of text carries its own number, so that what is where can be told exactly.
    [Fact]
    public void Training_and_held_out_text_never_overlap_and_together_are_the_corpus() => Check((lengths, n, share, _) =>
    {
        using var dataset = SequenceDataset.Open(_folder.At("shards"), n, share, Separator);
        var training = ShardTests.ReadAll(dataset.Training);
        var held = ShardTests.ReadAll(dataset.HeldOut);
        var total = lengths.Sum();
        training.Concat(held).Where(token => token != Separator).Order().ShouldBe(Enumerable.Range(Document, total));
        training.Where(token => token != Separator).ShouldBeInOrder();
        held.Where(token => token != Separator).ShouldBeInOrder();
        if (total > 1 && share > 0)
        {
            held.Length.ShouldBeGreaterThan(0);
            training.Length.ShouldBeGreaterThan(0);
        }

        // A separator stands exactly where the text does not go on: at the end of a document, and around held-out stretches.
        var starts = lengths.Aggregate(new List<int> { Document }, (list, length) => [.. list, list[^1] + length]).ToHashSet();
        foreach (var side in (int[][])[training, held])
        {
            for (var i = 1; i < side.Length; i++)
            {
                var goesOn = side[i] == side[i - 1] + 1 && !starts.Contains(side[i]);
                (goesOn || (side[i] == Separator) != (side[i - 1] == Separator)).ShouldBeTrue();
            }
        }
    });

    [Fact]
    public void The_sequence_length_changes_neither_the_text_nor_the_split() => Check((_, n, share, random) =>
    {
        using var one = SequenceDataset.Open(_folder.At("shards"), n, share, Separator);
        using var other = SequenceDataset.Open(_folder.At("shards"), random.Next(1, 50), share, Separator);
        ShardTests.ReadAll(other.Training).ShouldBe(ShardTests.ReadAll(one.Training));
        ShardTests.ReadAll(other.HeldOut).ShouldBe(ShardTests.ReadAll(one.HeldOut));
    });

    [Theory]
    [InlineData(4000, 0.01, true)]
    [InlineData(500, 0.1, true)]
    [InlineData(500, 0.01, false)]
    [InlineData(1, 0.05, false)]
    public void Many_documents_are_split_by_document_few_by_stretches(int documents, double share, bool byDocument)
    {
        var lengths = Enumerable.Range(0, documents).Select(i => (60_000 / documents) + (i % 3)).ToArray();
        Write(lengths);
        using var dataset = SequenceDataset.Open(_folder.At("shards"), 64, share, Separator);
        var held = ShardTests.ReadAll(dataset.HeldOut).Where(token => token != Separator).ToHashSet();
        ((double)held.Count / lengths.Sum()).ShouldBeInRange(share * 0.5, share * 2);

        var first = Document;
        var cut = 0;
        foreach (var length in lengths)
        {
            var inside = Enumerable.Range(first, length).Count(held.Contains);
            cut += inside > 0 && inside < length ? 1 : 0;
            first += length;
        }

        (cut == 0).ShouldBe(byDocument);
    }

    [Fact]
    public void Stretches_are_spread_over_the_corpus()
    {
        Write([200_000]);
        using var dataset = SequenceDataset.Open(_folder.At("shards"), 128, 0.1, Separator);
        var held = ShardTests.ReadAll(dataset.HeldOut);
        var places = held.Where(token => token != Separator).Select(token => (token - Document) / 50_000).GroupBy(quarter => quarter).ToArray();
        places.Select(quarter => quarter.Key).ShouldBe([0, 1, 2, 3]);
        places.ShouldAllBe(quarter => quarter.Count() > 2_000);
        held.Count(token => token == Separator).ShouldBe(8); // nine stretches of more than 2,048 tokens
    }

    [Fact]
    public void Equal_documents_fall_on_one_side()
    {
        // Each text comes four times; half of the documents go to the held-out side.
        var letters = Enumerable.Range(0, 4 * 60).Select(i => new string((char)('a' + (i % 20)), 1 + (i % 60 / 20))).ToArray();
        WriteLetters(letters);
        using var dataset = SequenceDataset.Open(_folder.At("shards"), 16, 0.5, Separator);
        var training = Split(ShardTests.ReadAll(dataset.Training));
        var held = Split(ShardTests.ReadAll(dataset.HeldOut));
        held.ShouldNotBeEmpty();
        training.Intersect(held).ShouldBeEmpty();
        (training.Count + held.Count).ShouldBe(60);

        static HashSet<string> Split(int[] tokens) => [.. string.Join(' ', tokens).Split($" {Separator} ")];
    }

    [Fact]
    public void Many_threads_read_the_same()
    {
        Write([.. Enumerable.Range(0, 300).Select(i => 1 + (i * 7 % 90))]);
        using var dataset = SequenceDataset.Open(_folder.At("shards"), 32, 0.1, Separator);
        var expected = Enumerable.Range(0, (int)dataset.Training.Count).Select(i => Read(dataset.Training, i)).ToArray();
        var actual = new int[expected.Length][];
        Parallel.For(0, actual.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => actual[i] = Read(dataset.Training, i));
        actual.ShouldBe(expected);
    }

    [Theory]
    [InlineData(0, 0.1, 2, "sequence length of 0")]
    [InlineData(8, -0.1, 2, "corpus.heldOut is -0.1")]
    [InlineData(8, 0.6, 2, "corpus.heldOut is 0.6")]
    [InlineData(8, double.NaN, 2, "corpus.heldOut is NaN")]
    [InlineData(8, 0.1, 100_000, "separator token 100000")]
    [InlineData(8, 0.1, -1, "separator token -1")]
    public void Arguments_out_of_range_are_named(int n, double share, int separator, string message)
    {
        WriteLetters("abc");
        Should.Throw<BadDataException>(() => SequenceDataset.Open(_folder.At("shards"), n, share, separator)).Message.ShouldContain(message);
    }

    private static int Letter(char letter) => SomeTokenizer.Make().Encode([(byte)letter])[0];

    private static int[] Read(SequenceSet set, long index)
    {
        var tokens = new int[set.SequenceLength];
        return tokens[..set.Read(index, tokens)];
    }

    private void Check(Action<int[], int, double, Random> property)
    {
        var cases = Gen.Choose(0, int.MaxValue - 1).ToArbitrary();
        Prop.ForAll(cases, seed =>
        {
            var random = new Random(seed);
            var lengths = Enumerable.Range(0, random.Next(1, random.Next(2, 80))).Select(_ => random.Next(1, random.Next(2, 200))).ToArray();
            Write(lengths, shards: random.Next(1, 6));
            property(lengths, random.Next(1, 50), random.Next(4) switch { 0 => 0, 1 => 0.5, _ => random.NextDouble() / 2 }, random);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    private void WriteLetters(params string[] documents)
    {
        _folder.Write("corpus/a.txt", string.Join("\n\n", documents));
        var prepared = CorpusPreparation.Prepare(new CorpusSettings { Files = ["corpus/a.txt"], Separator = string.Empty, TokenizerFile = SaveTokenizer() }, _folder.Path, _folder.At("cache"));
        Directory.CreateSymbolicLink(_folder.At("shards"), prepared.Folder);
    }

    private string SaveTokenizer()
    {
        // Bytes only: each letter is a token.
        new Linformer.Data.Tokenizers.ByteBpeTrainer(300).Train().Save(_folder.At("tokenizer.json"));
        return "tokenizer.json";
    }

    /// <summary>Writes documents whose tokens count up from <see cref="Document"/>, cut into shards anywhere.</summary>
    private void Write(int[] lengths, int shards = 3) => NumberedShards.Write(Directory.CreateDirectory(_folder.At("shards")).FullName, Document, lengths, shards);
}

using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

public class ByteBpeTrainerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Learns_what_counting_everything_anew_after_each_merge_learns(int seed)
    {
        var text = SomeText.Make(3000, seed) + "aaaa aaaaa aaaaaaa abab ababab";
        using var folder = new TestFolder();
        Train(text, 440).Save(folder.At("tokenizer.json"));
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.At("tokenizer.json")));
        var merges = json.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(merge => merge.GetString()!).ToArray();

        merges.ShouldBe(NaiveMerges(text, merges.Length));
        merges.Length.ShouldBe(440 - ByteBpeTrainer.SmallestVocabulary);
    }

    [Fact]
    public void The_same_words_in_another_order_give_the_same_tokenizer()
    {
        var words = SomeText.Make(2000, 4).Split(' ');
        var one = Train(" " + string.Join(' ', words), 700);
        var other = Train(" " + string.Join(' ', words.Reverse()), 700);
        other.Sha256.ShouldBe(one.Sha256);
        Train(" " + string.Join(' ', words) + " zebra zebra", 700).Sha256.ShouldNotBe(one.Sha256);
    }

    [Fact]
    public void Rare_pairs_are_not_merged()
    {
        Train("hello", 300).VocabularySize.ShouldBe(ByteBpeTrainer.SmallestVocabulary);
        Train("hello hello", 300).VocabularySize.ShouldBe(ByteBpeTrainer.SmallestVocabulary + 4);
    }

    [Theory]
    [InlineData(260)]
    [InlineData(0)]
    [InlineData(1_000_001)]
    public void An_impossible_vocabulary_size_is_named_with_what_is_allowed(int size)
    {
        var error = Should.Throw<BadDataException>(() => new ByteBpeTrainer(size));
        error.Message.ShouldContain(size.ToString());
        error.Message.ShouldContain("261");
        error.Message.ShouldContain("1000000");
    }

    [Fact]
    public void Reports_progress_and_can_be_cancelled()
    {
        var trainer = new ByteBpeTrainer(600);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(3000, 5)));
        var reports = new List<double>();
        trainer.Train(new Recorder(reports.Add));
        reports.Count.ShouldBeGreaterThan(10);
        reports.ShouldBeInOrder();
        reports[^1].ShouldBe(1);

        using var cancelled = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => trainer.Train(new Recorder(_ => cancelled.Cancel()), cancelled.Token));
    }

    private static ByteBpeTokenizer Train(string text, int vocabularySize)
    {
        var trainer = new ByteBpeTrainer(vocabularySize);
        trainer.Add(Encoding.UTF8.GetBytes(text));
        return trainer.Train();
    }

    // Byte pair encoding from its definition, for ASCII: all pairs are counted after every merge. Ties go to the lower ids.
    private static List<string> NaiveMerges(string text, int count)
    {
        const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?[a-zA-Z]+| ?[0-9]+| ?[^\sa-zA-Z0-9]+|\s+(?!\S)|\s+";
        var words = Regex.Matches(text, Words, RegexOptions.None, TimeSpan.FromMinutes(1)).GroupBy(match => match.Value)
            .Select(group => (Symbols: group.Key.Select(c => c == ' ' ? "Ġ" : c == '\n' ? "Ċ" : c.ToString()).ToList(), Count: group.Count())).ToList();
        var ids = words.SelectMany(word => word.Symbols).Distinct().Order(StringComparer.Ordinal).Select((symbol, i) => (symbol, i)).ToDictionary(x => x.symbol, x => x.i);
        var merges = new List<string>();
        while (merges.Count < count)
        {
            var (left, right) = words
                .SelectMany(word => word.Symbols.Zip(word.Symbols.Skip(1)).Select(pair => (Pair: pair, word.Count)))
                .GroupBy(x => x.Pair, x => x.Count)
                .OrderByDescending(group => group.Sum()).ThenBy(group => ids[group.Key.First]).ThenBy(group => ids[group.Key.Second])
                .First().Key;
            merges.Add($"{left} {right}");
            ids.TryAdd(left + right, ids.Count);
            foreach (var (symbols, _) in words)
            {
                for (var i = 0; i + 1 < symbols.Count; i++)
                {
                    if (symbols[i] == left && symbols[i + 1] == right)
                    {
                        symbols[i] = left + right;
                        symbols.RemoveAt(i + 1);
                    }
                }
            }
        }

        return merges;
    }

    private sealed class Recorder(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}

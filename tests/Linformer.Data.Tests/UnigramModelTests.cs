using Linformer.Data.Tests.Shards;

namespace Linformer.Data.Tests;

public class UnigramModelTests
{
    [Fact]
    public void Probabilities_are_counts_with_one_added()
    {
        var special = SomeTokenizer.Make().Special;
        var model = new UnigramModel(15, special); // ten ordinary tokens
        model.Perplexity([5, 9, 14]).ShouldBe(10, 1e-12);

        model.Add([5, 5, 5, 6, 0, 2, 4]);
        model.Total.ShouldBe(4);
        model.LogProbability(5).ShouldBe(Math.Log(4 / 14.0), 1e-12);
        model.LogProbability(6).ShouldBe(Math.Log(2 / 14.0), 1e-12);
        model.LogProbability(7).ShouldBe(Math.Log(1 / 14.0), 1e-12);
        model.LogProbability(4).ShouldBe(double.NegativeInfinity);
        Enumerable.Range(5, 10).Sum(token => Math.Exp(model.LogProbability(token))).ShouldBe(1, 1e-12);
        model.Perplexity([5, 6]).ShouldBe(1 / Math.Sqrt(4 / 14.0 * (2 / 14.0)), 1e-12);
    }

    [Fact]
    public void Counts_all_sequences_or_an_even_sample_of_them()
    {
        using var folder = new TestFolder();
        NumberedShards.Write(folder.Path, first: 5, documentLengths: [700, 300], shards: 2);
        using var dataset = SequenceDataset.Open(folder.Path, 32, 0, separatorId: 2);
        var special = SomeTokenizer.Make().Special;
        var size = dataset.Manifest.VocabularySize;

        var all = UnigramModel.Count(dataset.Training, size, special);
        all.Total.ShouldBe(1000);
        Enumerable.Range(5, 1000).ShouldAllBe(token => all.LogProbability(token) > all.LogProbability(2000));

        var sample = UnigramModel.Count(dataset.Training, size, special, atMost: 8);
        sample.Total.ShouldBeInRange(8 * 31, 8 * 32);
        Enumerable.Range(0, 4).ShouldAllBe(quarter => Enumerable.Range(5 + (250 * quarter), 250).Any(token => sample.LogProbability(token) > sample.LogProbability(2000)));
    }
}

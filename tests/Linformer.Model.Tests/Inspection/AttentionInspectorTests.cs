using Linformer.Model.Inspection;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Inspection;

public sealed class AttentionInspectorTests : IDisposable
{
    private const int Length = 11;

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(AttentionKind.Linear, ProjectionSharing.Layerwise)]
    [InlineData(AttentionKind.Linear, ProjectionSharing.None)]
    [InlineData(AttentionKind.Full, ProjectionSharing.Layerwise)]
    public void The_first_layers_maps_are_the_softmax_of_the_scores(AttentionKind attention, ProjectionSharing sharing)
    {
        using var model = ModelVariants.Build(ModelVariants.Config(sharing, attention: attention), ScalarType.Float64);
        long[] ids = [.. Enumerable.Range(0, Length).Select(i => (long)(i * 5 % model.Config.VocabularySize))];

        var maps = AttentionInspector.Maps(model.Encoder, tensor(ids, [1, Length]));

        maps.Count.ShouldBe(model.Config.Layers);
        var expected = FirstLayer(model, ids);
        var columns = attention == AttentionKind.Full ? Length : model.Config.ProjectedLength;
        maps.ShouldAllBe(map => map.shape.SequenceEqual(new long[] { model.Config.Heads, Length, columns }));
        var actual = maps[0].data<float>().ToArray();
        for (var i = 0; i < actual.Length; i++)
        {
            ((double)actual[i]).ShouldBe(expected[i / (Length * columns)][i / columns % Length][i % columns], 1e-6);
        }
    }

    [Fact]
    public void A_map_that_is_the_same_for_all_has_one_singular_value()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        using (no_grad())
        {
            foreach (var (_, parameter) in model.named_parameters().Where(p => p.name.Contains("attention.key", StringComparison.Ordinal)))
            {
                parameter.zero_();
            }
        }

        var spectra = AttentionInspector.Spectra(model.Encoder, tensor(new long[] { 1, 2, 3, 4, 5, 6, 7 }, [1, 7]));

        spectra.Count.ShouldBe(model.Config.Layers);
        foreach (var values in spectra.SelectMany(layer => Enumerable.Range(0, model.Config.Heads).Select(head => layer[head].contiguous().data<double>().ToArray())))
        {
            values.Length.ShouldBe(7);
            values[0].ShouldBe(1, 1e-9);
            values.Skip(1).ShouldAllBe(value => Math.Abs(value) < 1e-9);
            AttentionInspector.Cumulative(values).ShouldAllBe(share => Math.Abs(share - 1) < 1e-8);
        }
    }

    [Fact]
    public void The_singular_values_of_a_map_have_the_norm_of_the_map()
    {
        using var model = ModelVariants.Build(ModelVariants.Config(attention: AttentionKind.Full), ScalarType.Float64);
        var ids = tensor(new long[] { 3, 1, 4, 1, 5, 9, 2, 6 }, [1, 8]);
        var maps = AttentionInspector.Maps(model.Encoder, ids);

        var spectra = AttentionInspector.Spectra(model.Encoder, ids);

        foreach (var (map, values) in maps.Zip(spectra))
        {
            for (var head = 0; head < model.Config.Heads; head++)
            {
                var squares = map[head].contiguous().data<float>().ToArray().Sum(weight => (double)weight * weight);
                var singular = values[head].contiguous().data<double>().ToArray();
                singular.Sum(value => value * value).ShouldBe(squares, 1e-5);
                singular.ShouldBeInOrder(SortDirection.Descending);
            }
        }
    }

    [Fact]
    public void Cumulative_shares_end_at_one() => AttentionInspector.Cumulative([6, 3, 1]).ShouldBe([0.6, 0.9, 1.0], 1e-12);

    [Fact]
    public void Only_one_sequence_is_looked_at()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        Should.Throw<ArgumentException>(() => AttentionInspector.Maps(model.Encoder, zeros(2, 3, dtype: ScalarType.Int64))).Message.ShouldContain("[2, 3]");
        Should.Throw<ArgumentException>(() => AttentionInspector.Maps(model.Encoder, zeros(1, 17, dtype: ScalarType.Int64))).Message.ShouldContain("16");
    }

    // Sums written out: embeddings, layer norm, queries, keys, projection, scores, softmax.
    private static double[][][] FirstLayer(MaskedLanguageModel model, long[] ids)
    {
        var config = model.Config;
        var p = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().contiguous().data<double>().ToArray(), StringComparer.Ordinal);
        double[][] x = [.. ids.Select((id, i) => Norm(Enumerable.Range(0, config.Hidden).Select(c => Get("encoder.token.weight", id, c) + Get("encoder.position.weight", i, c)).ToArray()))];
        return [.. Enumerable.Range(0, config.Heads).Select(Head)];

        double Get(string name, long row, int column) => p[name][(row * config.Hidden) + column];

        double[] Norm(double[] v)
        {
            var mean = v.Average();
            var deviation = Math.Sqrt(v.Average(value => (value - mean) * (value - mean)) + config.NormEpsilon);
            var (gain, bias) = (p["encoder.layers.0.attention_norm.weight"], p["encoder.layers.0.attention_norm.bias"]);
            return [.. v.Select((value, c) => ((value - mean) / deviation * gain[c]) + bias[c])];
        }

        double Dense(string name, double[] v, int output) =>
            p[$"encoder.layers.0.attention.{name}.bias"][output] + Enumerable.Range(0, v.Length).Sum(c => v[c] * Get($"encoder.layers.0.attention.{name}.weight", output, c));

        double[][] Head(int head)
        {
            int[] columns = [.. Enumerable.Range(head * config.HeadSize, config.HeadSize)];
            double[][] keys = [.. x.Select(v => columns.Select(c => Dense("key", v, c)).ToArray())];
            if (config.Attention == AttentionKind.Linear)
            {
                keys = [.. Enumerable.Range(0, config.ProjectedLength).Select(row => columns.Select((_, c) => Enumerable.Range(0, ids.Length).Sum(i => E(head, row, i) * keys[i][c])).ToArray())];
            }

            return [.. x.Select(v => Softmax([.. keys.Select(key => columns.Select((c, i) => Dense("query", v, c) * key[i]).Sum() / Math.Sqrt(config.HeadSize))]))];
        }

        double E(int head, int row, int i) => config.Sharing == ProjectionSharing.Layerwise
            ? p["encoder.projection"][(row * config.SequenceLength) + i]
            : p["encoder.layers.0.projection_key"][(((head * config.ProjectedLength) + row) * config.SequenceLength) + i];
    }

    private static double[] Softmax(double[] scores)
    {
        var sum = scores.Sum(Math.Exp);
        return [.. scores.Select(score => Math.Exp(score) / sum)];
    }
}

using Linformer.Model.Causal;
using Linformer.Model.Decoding;
using Linformer.Model.Layers;
using TorchSharp;
using TorchSharp.Modules;

namespace Linformer.Model.Tests.Decoding;

/// <summary>Attention over a source against plain loops over single numbers in float64.</summary>
public sealed class CrossAttentionTests
{
    private const int Heads = 2;
    private const int Width = 12;
    private const int HeadWidth = Width / Heads;
    private const int Rows = 3;
    private const int Longest = 9;

    [Theory]
    [InlineData(ProjectionSharing.None, 9, 0)]
    [InlineData(ProjectionSharing.None, 5, 2)]
    [InlineData(ProjectionSharing.Headwise, 7, 3)]
    [InlineData(ProjectionSharing.KeyValue, 9, 1)]
    [InlineData(null, 7, 3)]
    public void It_gives_what_loops_give(ProjectionSharing? sharing, int length, int padded)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var config = DecoderVariants.Config() with { SequenceLength = Longest };
        var projection = Projection(sharing);
        using var attention = DecoderVariants.Filled(new CrossAttention(config, projection, new Placement(torch.ScalarType.Float64)));
        var (x, source) = (Numbers("x", 4 * Width), Numbers("source", length * Width));
        var mask = torch.tensor([.. Enumerable.Range(0, length).Select(i => i < length - padded ? 1L : 0)], [1, length]);
        var memory = attention.Remember(torch.tensor(source, [1, length, Width]), padded == 0 ? null : mask);
        var actual = attention.call(torch.tensor(x, [1, 4, Width]), memory).reshape(-1).data<double>().ToArray();

        var parameters = attention.named_parameters().ToDictionary(p => p.name, p => p.parameter.data<double>().ToArray());
        var expected = Expected(parameters, projection, x, source[..((length - padded) * Width)]);
        for (var i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldBe(expected[i], 1e-10 * Math.Max(1, Math.Abs(expected[i])));
        }
    }

    private static double[] Expected(Dictionary<string, double[]> parameters, BlockProjection? projection, double[] x, double[] source)
    {
        var (q, k, v) = (Dense("query", x), Dense("key", source), Dense("value", source));
        var (targets, tokens) = (x.Length / Width, source.Length / Width);
        var mixed = new double[x.Length];
        for (var head = 0; head < Heads; head++)
        {
            var columns = projection is null ? tokens : Rows;
            double Column(Parameter? matrix, double[] of, int column, int at) => matrix is null
                ? of[(column * Width) + (head * HeadWidth) + at]
                : Enumerable.Range(0, tokens).Sum(token => Element(matrix, head, column, token) * of[(token * Width) + (head * HeadWidth) + at]);
            for (var t = 0; t < targets; t++)
            {
                var scores = Enumerable.Range(0, columns).Select(column => Math.Exp(Enumerable.Range(0, HeadWidth)
                    .Sum(at => q[(t * Width) + (head * HeadWidth) + at] * Column(projection?.Key, k, column, at)) / Math.Sqrt(HeadWidth))).ToArray();
                for (var at = 0; at < HeadWidth; at++)
                {
                    mixed[(t * Width) + (head * HeadWidth) + at] = Enumerable.Range(0, columns)
                        .Sum(column => scores[column] / scores.Sum() * Column(projection?.Value, v, column, at));
                }
            }
        }

        return Dense("output", mixed);

        double[] Dense(string name, double[] input) => [.. Enumerable.Range(0, input.Length).Select(i =>
            parameters[$"{name}.bias"][i % Width]
            + Enumerable.Range(0, Width).Sum(j => parameters[$"{name}.weight"][(i % Width * Width) + j] * input[(i / Width * Width) + j]))];
    }

    private static double Element(Parameter matrix, int head, int row, int column) =>
        matrix.data<double>().ToArray()[((((matrix.dim() == 3 ? head : 0) * Rows) + row) * Longest) + column];

    private static BlockProjection? Projection(ProjectionSharing? sharing)
    {
        Parameter New(string name) => new(sharing == ProjectionSharing.None
            ? torch.tensor(Numbers(name, Heads * Rows * Longest), [Heads, Rows, Longest])
            : torch.tensor(Numbers(name, Rows * Longest), [Rows, Longest]));
        var key = New("e");
        return sharing is null ? null : new BlockProjection(key, sharing == ProjectionSharing.KeyValue ? key : New("f"));
    }

    private static double[] Numbers(string name, int count) => [.. Enumerable.Range(0, count).Select(i => CounterRandom.For(8, name).NormalAt((ulong)i))];
}

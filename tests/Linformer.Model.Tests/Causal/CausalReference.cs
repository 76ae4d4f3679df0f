using Linformer.Model.Causal;
using Linformer.Model.Layers;
using TorchSharp;
using TorchSharp.Modules;

namespace Linformer.Model.Tests.Causal;

/// <summary>The definition of causal attention in loops over single numbers, which share nothing with the product's code but its parameters.</summary>
internal sealed class CausalReference
{
    private readonly Dictionary<string, double[]> _parameters;
    private readonly double[] _e;
    private readonly double[] _f;
    private readonly bool _ownPerHead;
    private readonly LinformerConfig _config;
    private readonly int _heads;
    private readonly int _width;

    public CausalReference(CausalAttention attention, BlockProjection? projection, LinformerConfig config, int heads)
    {
        (_config, _heads, _width) = (config, heads, config.Hidden);
        _parameters = attention.named_parameters().ToDictionary(p => p.name, p => p.parameter.data<double>().ToArray());
        _e = projection?.Key.data<double>().ToArray() ?? [];
        _f = projection?.Value.data<double>().ToArray() ?? [];
        _ownPerHead = projection?.Key.dim() == 3;
    }

    public static BlockProjection? Projection(LinformerConfig config, Placement placement, List<(string, Parameter)> parameters)
    {
        if (config.Attention == AttentionKind.Full)
        {
            return null;
        }

        var (s, k, n) = (config.SegmentLength!.Value, config.ProjectedLength, config.SequenceLength);
        var (rows, columns) = config.Causal == CausalKind.MaskMap ? (k, n) : (Math.Max(1, k * s / n), s);
        Parameter New(string name)
        {
            var parameter = new Parameter(config.Sharing == ProjectionSharing.None
                ? torch.zeros([config.Heads, rows, columns], dtype: placement.Type)
                : torch.zeros([rows, columns], dtype: placement.Type));
            parameters.Add((name, parameter));
            return parameter;
        }

        var e = New("e");
        return new BlockProjection(e, config.Sharing is ProjectionSharing.KeyValue or ProjectionSharing.Layerwise ? e : New("f"));
    }

    public double[] Attend(double[] x, int length, Func<int, bool> isPadding)
    {
        var (q, k, v) = (Dense("query", x), Dense("key", x), Dense("value", x));
        var d = _width / _heads;
        var mixed = new double[length * _width];
        for (var head = 0; head < _heads; head++)
        {
            for (var t = 0; t < length; t++)
            {
                var columns = Columns(t, head, length, isPadding).ToList();
                var scores = columns.ConvertAll(c => Enumerable.Range(0, d).Sum(i => q[(t * _width) + (head * d) + i] * Sum(c.Keys, k, (head * d) + i)) / Math.Sqrt(d));
                var top = scores.Count == 0 ? 0 : scores.Max();
                var weights = scores.ConvertAll(score => Math.Exp(score - top));
                var total = weights.Sum();
                for (var i = 0; i < d; i++)
                {
                    var at = (head * d) + i;
                    mixed[(t * _width) + at] = columns.Select((c, j) => weights[j] / total * Sum(c.Values, v, at)).Sum();
                }
            }
        }

        return Dense("output", mixed);
    }

    // What token t is compared with; each column a weighted sum of tokens.
    private IEnumerable<(List<(int Token, double Weight)> Keys, List<(int Token, double Weight)> Values)> Columns(int t, int head, int length, Func<int, bool> isPadding)
    {
        var s = _config.SegmentLength!.Value;
        if (_config.Attention == AttentionKind.Full || _config.Causal == CausalKind.Segments)
        {
            var first = _config.Attention == AttentionKind.Full ? 0 : Math.Max(0, ((t / s) - 1) * s);
            foreach (var token in Enumerable.Range(first, t - first + 1).Where(token => !isPadding(token)))
            {
                yield return ([(token, 1)], [(token, 1)]);
            }
        }

        if (_config.Attention == AttentionKind.Full)
        {
            yield break;
        }

        var (n, k) = (_config.SequenceLength, _config.ProjectedLength);
        if (_config.Causal == CausalKind.MaskMap)
        {
            for (var row = 0; row < k && row <= t; row++)
            {
                yield return (Row(_e, head, row, k, n, 0, length), Row(_f, head, row, k, n, 0, length));
            }

            yield break;
        }

        var perSegment = Math.Max(1, k * s / n);
        var newest = (t / s) - 2;
        for (var segment = Math.Max(0, newest - (k / perSegment) + 1); segment <= newest; segment++)
        {
            for (var row = 0; row < perSegment; row++)
            {
                yield return (
                    [.. Row(_e, head, row, perSegment, s, segment * s, s).Where(term => !isPadding(term.Token))],
                    [.. Row(_f, head, row, perSegment, s, segment * s, s).Where(term => !isPadding(term.Token))]);
            }
        }
    }

    private List<(int Token, double Weight)> Row(double[] matrix, int head, int row, int rows, int columns, int first, int count) =>
        [.. Enumerable.Range(0, count).Select(j => (first + j, matrix[((((_ownPerHead ? head : 0) * rows) + row) * columns) + j]))];

    private double Sum(List<(int Token, double Weight)> terms, double[] of, int at) => terms.Sum(term => term.Weight * of[(term.Token * _width) + at]);

    private double[] Dense(string name, double[] x)
    {
        var (weight, bias) = (_parameters[$"{name}.weight"], _parameters[$"{name}.bias"]);
        var y = new double[x.Length];
        for (var i = 0; i < y.Length; i++)
        {
            var (row, output) = (i / _width, i % _width);
            y[i] = bias[output] + Enumerable.Range(0, _width).Sum(j => weight[(output * _width) + j] * x[(row * _width) + j]);
        }

        return y;
    }
}

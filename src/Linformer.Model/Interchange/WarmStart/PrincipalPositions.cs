using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>E and F whose rows are the first k singular vectors, over positions, of what attention reads in samples of text.</summary>
internal static class PrincipalPositions
{
    private const int Iterations = 20;

    public static void Set(LayerPairs layers, WarmStartOptions options)
    {
        using var noGrad = no_grad();
        using var outer = NewDisposeScope();
        var moments = Moments(layers, options.Samples!);
        foreach (var (name, parameter) in layers.Projections)
        {
            using var scope = NewDisposeScope();
            var layer = LayerOf(name);
            var moment = layer is { } own ? moments[own] : moments.Aggregate((sum, next) => sum + next);
            var rows = Leading(moment, options.ProjectedLength);
            parameter.copy_(rows.expand(parameter.shape));
        }
    }

    private static int? LayerOf(string name)
    {
        var parts = name.Split('.');
        return parts.Length > 3 ? int.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture) : null;
    }

    // [n, n] for each layer.
    private static List<Tensor> Moments(LayerPairs layers, Tensor samples)
    {
        var n = samples.shape[1];
        var moments = Enumerable.Range(0, layers.Count).Select(_ => zeros(n, n)).ToList();
        for (var sample = 0L; sample < samples.shape[0]; sample++)
        {
            using var scope = NewDisposeScope();
            var seen = layers.Teach(samples.narrow(0, sample, 1));
            for (var layer = 0; layer < layers.Count; layer++)
            {
                var x = seen[layer].Input.select(0, 0); // [n, hidden]
                moments[layer].add_(x.matmul(x.t()));
            }
        }

        return moments;
    }

    // Orthogonal iteration. [k, n].
    private static Tensor Leading(Tensor moment, int k)
    {
        var n = (int)moment.shape[0];
        var random = CounterRandom.For(1, "principal");
        var start = Enumerable.Range(0, k * n).Select(i => (float)random.NormalAt((ulong)i)).ToArray();
        var rows = Orthonormal(start, k, n);
        for (var i = 0; i < Iterations; i++)
        {
            using var scope = NewDisposeScope();
            // A copy in torch's own memory: products round as the alignment wants it.
            using var aligned = tensor(rows, [k, n]).clone();
            rows = Orthonormal(aligned.matmul(moment).data<float>().ToArray(), k, n);
        }

        return tensor(rows, [k, n]);
    }

    private static float[] Orthonormal(float[] values, int k, int n)
    {
        for (var row = 0; row < k; row++)
        {
            var own = values.AsSpan(row * n, n);
            for (var before = 0; before < row; before++)
            {
                var other = values.AsSpan(before * n, n);
                var share = Dot(own, other);
                for (var i = 0; i < n; i++)
                {
                    own[i] -= share * other[i];
                }
            }

            var length = Math.Max(1e-20f, MathF.Sqrt(Dot(own, own)));
            for (var i = 0; i < n; i++)
            {
                own[i] /= length;
            }
        }

        return values;
    }

    private static float Dot(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        var sum = 0.0;
        for (var i = 0; i < first.Length; i++)
        {
            sum += (double)first[i] * second[i];
        }

        return (float)sum;
    }
}

using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>E and F that give, over samples of text, the least squares of what attention gives instead of the Transformer's: by Adam, layer by layer on the Transformer's own inputs.</summary>
internal static class ProjectionFit
{
    private const double Decay1 = 0.9;
    private const double Decay2 = 0.99;

    // A few times smaller than the elements that it changes, which are about k/n.
    private const double RelativeRate = 0.1;

    public static void Run(LayerPairs layers, WarmStartOptions options)
    {
        using var outer = NewDisposeScope();
        var samples = options.Samples!;
        var state = layers.Projections.Select(p => (p.Parameter, First: zeros_like(p.Parameter), Second: zeros_like(p.Parameter))).ToList();
        var rate = RelativeRate * options.ProjectedLength / samples.shape[1];
        for (var step = 1; step <= options.Steps; step++)
        {
            using var scope = NewDisposeScope();
            var error = Loss(layers, Batch(samples, options.Batch, step - 1));
            error.backward();
            var left = rate * (0.5 + (0.5 * Math.Cos(Math.PI * (step - 1) / options.Steps)));
            foreach (var (parameter, first, second) in state)
            {
                Update(parameter, first, second, left, step);
            }

            layers.Student.zero_grad();
            options.Progress?.Invoke(step, error.item<float>());
        }
    }

    private static Tensor Batch(Tensor samples, long size, long index)
    {
        var count = samples.shape[0];
        var rows = Enumerable.Range(0, (int)Math.Min(size, count)).Select(i => ((index * size) + i) % count).ToArray();
        return samples.index_select(0, tensor(rows));
    }

    private static Tensor Loss(LayerPairs layers, Tensor ids)
    {
        var seen = layers.Teach(ids);
        Tensor? sum = null;
        for (var layer = 0; layer < layers.Count; layer++)
        {
            var (input, output) = seen[layer];
            var error = (layers.Attend(layer, input) - output).square().mean() / output.square().mean().clamp_min(1e-12);
            sum = sum is null ? error : sum + error;
        }

        return sum! / layers.Count;
    }

    private static void Update(Tensor parameter, Tensor first, Tensor second, double rate, int step)
    {
        using var noGrad = no_grad();
        var gradient = parameter.grad!;
        first.mul_(Decay1).add_(gradient * (1 - Decay1));
        second.mul_(Decay2).add_(gradient.square() * (1 - Decay2));
        var scaled = first / (1 - Math.Pow(Decay1, step));
        var size = (second / (1 - Math.Pow(Decay2, step))).sqrt() + 1e-12;
        parameter.sub_(scaled / size * rate);
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Linformer.Model;
using Linformer.Model.Kernels;
using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Bench.Attention;

/// <summary>A layer to be measured.</summary>
/// <param name="Precision">fp32 or bf16.</param>
/// <param name="Length">n.</param>
/// <param name="Projected">k.</param>
/// <param name="Batch">Sequences.</param>
/// <param name="Seconds">How long each is measured, after one call that warms up.</param>
public sealed record AttentionOrder(string Precision, int Length, int Projected, int Batch, double Seconds)
{
    /// <summary>Width, of all that are measured.</summary>
    public const int Hidden = 256;

    /// <summary>Heads.</summary>
    public const int Heads = 4;

    /// <summary>OpenMP's threads.</summary>
    public const int Threads = 2;
}

/// <summary>What a process has measured of its layer.</summary>
/// <param name="ForwardSeconds">Of each forward pass.</param>
/// <param name="ForwardBytes">The most memory of forward passes, with parameters and input.</param>
/// <param name="BothSeconds">Of each forward and backward pass.</param>
/// <param name="BothBytes">The most memory of these, with gradients.</param>
public sealed record AttentionSample(IReadOnlyList<double> ForwardSeconds, long ForwardBytes, IReadOnlyList<double> BothSeconds, long BothBytes);

/// <summary>A process that measures one of this product's attention layers and ends, as bench/attention-peer does of PyTorch's.</summary>
public static class AttentionLayer
{
    /// <summary>The first argument with which this program starts itself so.</summary>
    public const string Command = "attention-layer";

    private const int Least = 2;

    /// <summary>Measures; writes an <see cref="AttentionSample"/> as a line of JSON.</summary>
    /// <param name="order">An <see cref="AttentionOrder"/> as JSON.</param>
    /// <param name="output">The answer.</param>
    public static void Run(string order, TextWriter output) =>
        output.WriteLine(JsonSerializer.Serialize(Measure(JsonSerializer.Deserialize<AttentionOrder>(order)!), JsonSerializerOptions.Web));

    private static AttentionSample Measure(AttentionOrder order)
    {
        // So that libraries are loaded and what is compiled on first use is compiled.
        using (var small = new Layer(order with { Length = 64, Projected = 16, Batch = 1 }))
        {
            small.Forward();
            small.Both();
        }

        var before = Memory("VmRSS");
        using var layer = new Layer(order);
        ForgetPeak();
        var forwardSeconds = Times(layer.Forward, order.Seconds);
        var forwardBytes = Memory("VmHWM") - before;
        ForgetPeak();
        var bothSeconds = Times(layer.Both, order.Seconds);
        return new AttentionSample(forwardSeconds, forwardBytes, bothSeconds, Memory("VmHWM") - before);
    }

    private static List<double> Times(Action call, double seconds)
    {
        call();
        var times = new List<double>();
        var begin = Stopwatch.GetTimestamp();
        while (times.Count < Least || Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds)
        {
            var start = Stopwatch.GetTimestamp();
            call();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return times;
    }

    private static long Memory(string field)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    private static void ForgetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");

    private sealed class Layer : IDisposable
    {
        private readonly FusedAttention _fused;
        private readonly Parameter[] _parameters;
        private readonly Tensor _x;
        private Tensor? _gradient;

        public Layer(AttentionOrder order)
        {
            var config = new LinformerConfig
            {
                VocabularySize = 1,
                Hidden = AttentionOrder.Hidden,
                Heads = AttentionOrder.Heads,
                SequenceLength = order.Length,
                ProjectedLength = order.Projected,
                Dropout = 0,
            };
            using var grad = no_grad();
            var placement = new Placement(ScalarType.Float32);
            var matrix = new Parameter(randn(order.Projected, order.Length).mul_(1 / Math.Sqrt(order.Projected)));
            var projection = new MatrixProjection(matrix, matrix, null, null, config.Heads);
            var attention = new Model.Layers.Attention(config, projection, placement);
            _parameters = [.. attention.parameters(), matrix];
            foreach (var parameter in attention.parameters())
            {
                parameter.normal_(0, 1 / Math.Sqrt(AttentionOrder.Hidden));
            }

            _fused = new FusedAttention(attention, projection, config, order.Precision == "bf16" ? Precision.BFloat16 : Precision.Float32);
            _x = randn(order.Batch, order.Length, AttentionOrder.Hidden);
        }

        public void Forward()
        {
            using var off = no_grad();
            _fused.Forward(_x).Dispose();
        }

        public void Both()
        {
            _x.requires_grad = true;
            _gradient ??= randn(_x.shape);
            foreach (var parameter in _parameters)
            {
                parameter.grad?.zero_();
            }

            _x.grad?.Dispose();
            _x.grad = null;
            using var scope = NewDisposeScope();
            autograd.backward([_fused.Forward(_x)], [_gradient]);
        }

        public void Dispose()
        {
            _fused.Dispose();
            _x.Dispose();
            _gradient?.Dispose();
        }
    }
}

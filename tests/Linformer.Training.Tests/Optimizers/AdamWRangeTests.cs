using Linformer.Model.Kernels;
using Linformer.Training.Optimizers;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Linformer.Training.Tests.Optimizers;

/// <summary>Updates of ranges, by the native kernel and by tensor operators.</summary>
public sealed class AdamWRangeTests
{
    private const int Updates = 12;

    private static readonly AdamWOptions Options = new(0.9, 0.98, 1e-6, WeightDecay: 0.3);

    public static TheoryData<bool, ScalarType> Paths() => new()
    {
        { true, ScalarType.Float32 },
        { false, ScalarType.Float32 },
        { false, ScalarType.Float64 },
    };

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void Every_update_is_the_closed_form_with_decay_of_matrices_alone(bool fused, ScalarType type)
    {
        using var subject = new Subject(fused, type);
        var values = subject.Values;
        var (first, second) = (new double[values.Length], new double[values.Length]);
        var decays = subject.Decays();
        for (var update = 1; update <= Updates; update++)
        {
            var (rate, scale) = (0.01 * update, 1.0 / (3 + update));
            var gradients = subject.SetGradients(update);
            subject.Optimizer.Update(update, rate, scale, 0, subject.Parameters.Length);
            for (var i = 0; i < values.Length; i++)
            {
                var g = gradients[i] * scale;
                first[i] = (0.9 * first[i]) + (0.1 * g);
                second[i] = (0.98 * second[i]) + (0.02 * g * g);
                var mean = first[i] / (1 - Math.Pow(0.9, update));
                var square = second[i] / (1 - Math.Pow(0.98, update));
                values[i] = (values[i] * (decays[i] ? 1 - (rate * 0.3) : 1)) - (rate * mean / (Math.Sqrt(square) + 1e-6));
            }

            var tolerance = type == ScalarType.Float64 ? 1e-13 : 3e-6;
            ShouldBeClose(subject.Values, values, tolerance, $"values after update {update}");
            ShouldBeClose(Doubles(subject.Optimizer.FirstMoment), first, tolerance, $"first moment after update {update}");
            ShouldBeClose(Doubles(subject.Optimizer.SecondMoment), second, tolerance, $"second moment after update {update}");
            Doubles(subject.Parameters.Gradients).ShouldBe(gradients, "gradients stay as they are");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void A_range_gets_the_same_bits_as_a_whole_and_in_pieces(bool fused, ScalarType type)
    {
        using var whole = new Subject(fused, type);
        using var cut = new Subject(fused, type);
        var random = new Random(5);
        for (var update = 1; update <= Updates; update++)
        {
            whole.SetGradients(update);
            cut.SetGradients(update);
            whole.Optimizer.Update(update, 0.02, 0.7, 0, whole.Parameters.Length);
            for (var from = 0L; from < cut.Parameters.Length;)
            {
                var length = Math.Min(random.NextInt64(0, 400), cut.Parameters.Length - from);
                cut.Optimizer.Update(update, 0.02, 0.7, from, length);
                from += length;
            }

            Doubles(cut.Parameters.Values).ShouldBe(Doubles(whole.Parameters.Values));
            Doubles(cut.Optimizer.FirstMoment).ShouldBe(Doubles(whole.Optimizer.FirstMoment));
            Doubles(cut.Optimizer.SecondMoment).ShouldBe(Doubles(whole.Optimizer.SecondMoment));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void What_lies_outside_the_range_stays(bool fused, ScalarType type)
    {
        using var subject = new Subject(fused, type);
        var before = subject.Values;
        subject.SetGradients(1);
        subject.Optimizer.Update(1, 0.1, 1, from: 100, length: 1500);
        var after = subject.Values;
        after[..100].ShouldBe(before[..100]);
        after[1600..].ShouldBe(before[1600..]);
        after[100].ShouldNotBe(before[100]);
        after[1599].ShouldNotBe(before[1599]);
        Doubles(subject.Optimizer.FirstMoment)[1600..].ShouldAllBe(x => x == 0);
    }

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void Squares_are_summed_in_double(bool fused, ScalarType type)
    {
        using var subject = new Subject(fused, type);
        var gradients = subject.SetGradients(1);
        foreach (var (from, length) in new[] { (0, gradients.Length), (0, 0), (17, 1), (33, 1000), (gradients.Length - 5, 5) })
        {
            var expected = gradients.Skip(from).Take(length).Sum(g => g * g);
            subject.Optimizer.SumOfSquares(from, length).ShouldBe(expected, 1e-13 * (1 + expected), $"{length} from {from} on");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void NaN_and_infinity_survive_where_they_are(bool fused, ScalarType type)
    {
        using var subject = new Subject(fused, type);
        var gradients = subject.SetGradients(1);
        (gradients[70], gradients[71]) = (double.NaN, double.PositiveInfinity);
        subject.SetGradients(gradients);
        subject.Optimizer.SumOfSquares(0, gradients.Length).ShouldBe(double.NaN);
        subject.Optimizer.SumOfSquares(71, 100).ShouldBe(double.PositiveInfinity);
        subject.Optimizer.Update(1, 0.1);
        var values = subject.Values;
        Enumerable.Range(0, values.Length).Where(i => !double.IsFinite(values[i])).ShouldBe([70, 71]);
    }

    [SkippableTheory]
    [MemberData(nameof(Paths))]
    public void Ranges_outside_the_buffers_are_refused(bool fused, ScalarType type)
    {
        using var subject = new Subject(fused, type);
        var before = subject.Values;
        subject.SetGradients(1);
        var end = subject.Parameters.Length;
        foreach (var (from, length) in new[] { (-1L, 2L), (0, -1), (0, end + 1), (end, 1), (1, long.MaxValue), (long.MaxValue, 1) })
        {
            Should.Throw<ArgumentOutOfRangeException>(() => subject.Optimizer.Update(1, 0.1, 1, from, length))
                .Message.ShouldContain($"{length} elements from {from} on are not within the {end} parameters");
            Should.Throw<ArgumentOutOfRangeException>(() => subject.Optimizer.SumOfSquares(from, length));
        }

        Should.Throw<ArgumentOutOfRangeException>(() => subject.Optimizer.Update(0, 0.1));
        subject.Values.ShouldBe(before);
    }

    [SkippableFact]
    public void Kernels_refuse_what_they_cannot_work_on()
    {
        Skip.IfNot(KernelLibrary.IsAvailable, "linformer_kernels is not built");
        using var doubles = zeros([4], dtype: ScalarType.Float64);
        using var floats = zeros([4, 4]);
        using var turned = floats.t();
        OptimizerKernels.Supports(doubles).ShouldBeFalse();
        OptimizerKernels.Supports(turned).ShouldBeFalse();
        OptimizerKernels.Supports(floats).ShouldBeTrue();
        Should.Throw<ArgumentException>(() => OptimizerKernels.SumOfSquares(doubles, 0, 4)).Message.ShouldContain("Float64");
        Should.Throw<ArgumentOutOfRangeException>(() => OptimizerKernels.SumOfSquares(floats, 0, 17)).Message.ShouldContain("17 elements");
        var step = new AdamWStep(0.1, Beta1: 1, 0.9, 1e-8, 0, 1, Update: 1);
        Should.Throw<KernelException>(() => OptimizerKernels.AdamW(in step, floats, floats, floats, floats, 0, 1)).Message.ShouldContain("beta1");
        step = step with { Beta1 = 0.9, Update = 0 };
        Should.Throw<KernelException>(() => OptimizerKernels.AdamW(in step, floats, floats, floats, floats, 0, 1)).Message.ShouldContain("step is 0");
    }

    private static void ShouldBeClose(double[] actual, double[] expected, double tolerance, string about)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldBe(expected[i], tolerance * (1 + Math.Abs(expected[i])), $"{about}, element {i}");
        }
    }

    private static double[] Doubles(Tensor tensor)
    {
        using var wide = tensor.to_type(ScalarType.Float64);
        return [.. wide.data<double>()];
    }

    /// <summary>An optimizer over two matrices and two vectors, of odd sizes.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly Matrices _model;

        public Subject(bool fused, ScalarType type)
        {
            _model = new Matrices(type);
            Parameters = new FlatParameters(_model, trailer: 3);
            Skip.If(fused && !OptimizerKernels.Supports(Parameters.Values), "linformer_kernels is not built");
            Optimizer = new AdamW(Parameters, Options, allowKernels: fused);
            using var noGrad = no_grad();
            using var values = Random(0).to_type(type);
            Parameters.Values.copy_(values);
        }

        public FlatParameters Parameters { get; }

        public AdamW Optimizer { get; }

        public double[] Values => Doubles(Parameters.Values);

        public bool[] Decays()
        {
            var decays = new bool[Parameters.Length];
            foreach (var slice in Parameters.Slices.Where(slice => slice.Decays))
            {
                // The alignment behind a parameter is never read; here it holds numbers, and goes with the parameter before it.
                var next = Parameters.Slices.Where(other => other.Offset > slice.Offset).Select(other => other.Offset).DefaultIfEmpty(Parameters.Length).Min();
                decays.AsSpan((int)slice.Offset, (int)(next - slice.Offset)).Fill(true);
            }

            return decays;
        }

        public double[] SetGradients(int seed)
        {
            using var gradients = Random(seed);
            Parameters.Gradients.copy_(gradients);
            return Doubles(Parameters.Gradients);
        }

        public void SetGradients(double[] gradients)
        {
            using var given = tensor(gradients);
            Parameters.Gradients.copy_(given);
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Parameters.Dispose();
            _model.Dispose();
        }

        private Tensor Random(int seed)
        {
            var random = new Random(seed);
            return tensor(Enumerable.Range(0, (int)Parameters.Length).Select(_ => (random.NextDouble() * 6) - 3).ToArray());
        }
    }

    private sealed class Matrices : nn.Module<Tensor, Tensor>
    {
        public Matrices(ScalarType type)
            : base(nameof(Matrices))
        {
            register_parameter("bias", new Parameter(zeros([29], dtype: type)));
            register_parameter("weight", new Parameter(zeros([31, 37], dtype: type)));
            register_parameter("norm", new Parameter(zeros([41], dtype: type)));
            register_parameter("table", new Parameter(zeros([13, 43], dtype: type)));
        }

        public override Tensor forward(Tensor input) => input;
    }
}

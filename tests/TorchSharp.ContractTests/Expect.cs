using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Comparisons of tensors with numbers worked out elsewhere.</summary>
internal static class Expect
{
    /// <summary>All elements in row-major order, as doubles.</summary>
    public static double[] Numbers(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to_type(ScalarType.Float64).contiguous().flatten().data<double>().ToArray();
    }

    public static void ShouldHold(this Tensor tensor, params double[] expected) => tensor.ShouldHold(1e-6, expected);

    public static void ShouldHold(this Tensor tensor, double tolerance, double[] expected)
    {
        double[] actual = tensor.Numbers();
        actual.Length.ShouldBe(expected.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldBe(expected[i], tolerance * (1 + Math.Abs(expected[i])), $"element {i}");
        }
    }
}

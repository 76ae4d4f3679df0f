using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Tensors of any supported type from and to whole numbers, which all of them hold exactly.</summary>
internal static class Tensors
{
    public static readonly torch.ScalarType[] Types =
        [torch.ScalarType.Float32, torch.ScalarType.Float64, torch.ScalarType.Int32, torch.ScalarType.Int64];

    public static torch.Tensor Of(torch.ScalarType type, IEnumerable<int> values) => type switch
    {
        torch.ScalarType.Float32 => torch.tensor(values.Select(value => (float)value).ToArray()),
        torch.ScalarType.Float64 => torch.tensor(values.Select(value => (double)value).ToArray()),
        torch.ScalarType.Int32 => torch.tensor(values.ToArray()),
        _ => torch.tensor(values.Select(value => (long)value).ToArray()),
    };

    public static torch.Tensor Zeros(torch.ScalarType type, int count) => Of(type, Enumerable.Repeat(0, count));

    public static int[] Values(this torch.Tensor tensor) => tensor.dtype switch
    {
        torch.ScalarType.Float32 => [.. tensor.data<float>().ToArray().Select(value => (int)value)],
        torch.ScalarType.Float64 => [.. tensor.data<double>().ToArray().Select(value => (int)value)],
        torch.ScalarType.Int32 => tensor.data<int>().ToArray(),
        _ => [.. tensor.data<long>().ToArray().Select(value => (int)value)],
    };

    /// <summary>Compares large tensors fast.</summary>
    public static void ShouldHold(this torch.Tensor tensor, ReadOnlySpan<int> expected, string about = "")
    {
        var values = tensor.Values();
        values.Length.ShouldBe(expected.Length, about);
        var same = expected.CommonPrefixLength(values);
        if (same < values.Length)
        {
            values[same].ShouldBe(expected[same], $"{about}, at place {same}");
        }
    }

    public static float[] Floats(this torch.Tensor tensor) => tensor.data<float>().ToArray();
}

using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Creation, views, indexing, memory.</summary>
public sealed class ShapeTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Factories_make_what_they_say()
    {
        zeros(2, 3).ShouldHold(0, 0, 0, 0, 0, 0);
        ones([2], dtype: int64).dtype.ShouldBe(ScalarType.Int64);
        full(2, 2, 7).ShouldHold(7, 7, 7, 7);
        full(1, 7).dtype.ShouldBe(ScalarType.Int64);
        full(1, 7f).dtype.ShouldBe(ScalarType.Float32);
        Should.Throw<ArgumentException>(() => randn([2], dtype: int64));
        arange(2, 8, 2).ShouldHold(2, 4, 6);
        arange(3).dtype.ShouldBe(ScalarType.Int64);
        arange(0.5, 2).dtype.ShouldBe(ScalarType.Float32);
        linspace(0, 1, 3).ShouldHold(0, 0.5, 1);
        eye(2).ShouldHold(1, 0, 0, 1);
        empty(4, 0, 2).numel().ShouldBe(0);
        zeros(2, requires_grad: true).requires_grad.ShouldBeTrue();
        tensor(new[] { 1f, 2 }, dtype: float64).dtype.ShouldBe(ScalarType.Float64);
        tensor(new[] { 1L, 2, 3, 4 }, [2, 2]).shape.ShouldBe([2, 2]);
        tensor(new List<int> { 1, 2, 3 }).ShouldHold(1, 2, 3);
        tensor(new[,] { { true }, { false } }).shape.ShouldBe([2, 1]);
        tensor(new double[1, 1, 2]).shape.ShouldBe([1, 1, 2]);
        tensor(2.5).dtype.ShouldBe(ScalarType.Float64);
        tensor(2.5f).dtype.ShouldBe(ScalarType.Float32);
        tensor(2).dtype.ShouldBe(ScalarType.Int32);
        tensor(2L).dtype.ShouldBe(ScalarType.Int64);
        tensor(true).dtype.ShouldBe(ScalarType.Bool);
        var like = tensor(new[] { 1.0, 2 });
        zeros_like(like).dtype.ShouldBe(ScalarType.Float64);
        like.ones_like(dtype: int32).ShouldHold(1, 1);
        full_like(like, 3).ShouldHold(3, 3);
        empty_like(like).shape.ShouldBe([2]);
    }

    [Fact]
    public void A_tensor_copies_the_array_it_is_made_of()
    {
        var array = new[] { 1f, 2 };
        var t = tensor(array);
        array[0] = 9;
        t.ShouldHold(1, 2);
    }

    [Fact]
    public void Properties_describe_the_tensor()
    {
        var t = zeros(2, 3, 4, dtype: float64);
        t.shape.ShouldBe([2, 3, 4]);
        t.size(1).ShouldBe(3);
        t.size(-1).ShouldBe(4);
        t.dim().ShouldBe(3);
        t.ndim.ShouldBe(3);
        t.numel().ShouldBe(24);
        t.NumberOfElements.ShouldBe(24);
        t.element_size().ShouldBe(8);
        t.stride().ShouldBe([12, 4, 1]);
        t.stride(0).ShouldBe(12);
        t.is_contiguous().ShouldBeTrue();
        t.transpose(0, 1).is_contiguous().ShouldBeFalse();
        t.transpose(0, 1).contiguous().is_contiguous().ShouldBeTrue();
        t.device_type.ShouldBe(DeviceType.CPU);
        t.device.type.ShouldBe(DeviceType.CPU);
        t.device.ToString().ShouldBe("cpu");
        t.is_cuda.ShouldBeFalse();
        t.is_floating_point().ShouldBeTrue();
        t.is_leaf.ShouldBeTrue();
        t.ToString().ShouldBe("[2x3x4], type = Float64, device = cpu");
        cuda.is_available().ShouldBe(cuda.device_count() > 0);
        finfo(float32).eps.ShouldBe(Math.Pow(2, -23));
        finfo(float32).max.ShouldBe(float.MaxValue);
        finfo(float64).max.ShouldBe(double.MaxValue);
        finfo(float16).max.ShouldBe(65504);
    }

    [Fact]
    public void Views_share_memory_and_reshape_keeps_order()
    {
        var t = arange(6, dtype: float32);
        var view = t.view(2, 3);
        view[1, 2] = 50f;
        t[5].item<float>().ShouldBe(50);
        t[5] = 5f;
        t.reshape(3, -1).shape.ShouldBe([3, 2]);
        view.t().reshape(6).ShouldHold(0, 3, 1, 4, 2, 5);
        view.flatten().shape.ShouldBe([6]);
        view.unsqueeze(1).shape.ShouldBe([2, 1, 3]);
        view.unsqueeze(1).squeeze().shape.ShouldBe([2, 3]);
        view.unsqueeze(1).squeeze(1).shape.ShouldBe([2, 3]);
        view.unsqueeze(0).expand(4, -1, -1).shape.ShouldBe([4, 2, 3]);
        view[0].expand_as(view).ShouldHold(0, 1, 2, 0, 1, 2);
        view.permute(1, 0).ShouldHold(0, 3, 1, 4, 2, 5);
        view.transpose(0, 1).stride().ShouldBe([1, 3]);
        view.narrow(1, 1, 2).ShouldHold(1, 2, 4, 5);
        view.select(0, 1).ShouldHold(3, 4, 5);
        t.slice(0, 1, 6, 2).ShouldHold(1, 3, 5);
        t.storage_offset().ShouldBe(0);
        view.narrow(0, 1, 1).storage_offset().ShouldBe(3);
        t.split(4).Select(part => part.numel()).ShouldBe([4, 2]);
        t.split([1, 2, 3]).Select(part => part.numel()).ShouldBe([1, 2, 3]);
        t.chunk(3).Select(part => part.numel()).ShouldBe([2, 2, 2]);
        view.unbind(0)[1].ShouldHold(3, 4, 5);
        view.repeat(1, 2).shape.ShouldBe([2, 6]);
        view.tril().ShouldHold(0, 0, 0, 3, 4, 0);
        view.triu(1).ShouldHold(0, 1, 2, 0, 0, 5);
        t.flip(0).ShouldHold(5, 4, 3, 2, 1, 0);
        cat([t, t]).numel().ShouldBe(12);
        cat([view, view], dim: 1).shape.ShouldBe([2, 6]);
        stack([t, t], dim: 1).shape.ShouldBe([6, 2]);
    }

    [Fact]
    public void Indexing_reads_and_writes()
    {
        var m = arange(12, dtype: int64).view(3, 4);
        m[1].ShouldHold(4, 5, 6, 7);
        m[-1, 0].ToInt64().ShouldBe(8);
        m[TensorIndex.Ellipsis, 1].ShouldHold(1, 5, 9);
        m[TensorIndex.Colon, TensorIndex.Slice(1, 3)].ShouldHold(1, 2, 5, 6, 9, 10);
        m[.., 1..3].ShouldHold(1, 2, 5, 6, 9, 10);
        m[TensorIndex.Slice(step: 2)].ShouldHold(0, 1, 2, 3, 8, 9, 10, 11);
        m[TensorIndex.None].shape.ShouldBe([1, 3, 4]);
        m[tensor(new[] { 2L, 0 })].ShouldHold(8, 9, 10, 11, 0, 1, 2, 3);
        m[m > 8].ShouldHold(9, 10, 11);
        m[TensorIndex.Colon, TensorIndex.Tensor(tensor(new[] { 3L, 0 }))].ShouldHold(3, 0, 7, 4, 11, 8);
        m[0, 0] = 100L;
        m[TensorIndex.Slice(1, 2), TensorIndex.Slice(0, 2)] = tensor(-1L);
        m.ShouldHold(100, 1, 2, 3, -1, -1, 6, 7, 8, 9, 10, 11);
        m.index_put_(tensor(0L), m < 0);
        m[1].ShouldHold(0, 0, 6, 7);
    }

    [Fact]
    public void Gathering_and_scattering()
    {
        var table = arange(6, dtype: float32).view(3, 2);
        var rows = tensor(new[] { 2L, 0, 2 });
        table.index_select(0, rows).ShouldHold(4, 5, 0, 1, 4, 5);
        table.gather(1, tensor(new[,] { { 1L }, { 0 }, { 1 } })).ShouldHold(1, 2, 5);
        zeros(3, 2).index_add_(0, rows, ones(3, 2), 1).ShouldHold(1, 1, 0, 0, 2, 2);
        zeros(3, 2).index_add(0, rows, ones(3, 2), 2).ShouldHold(2, 2, 0, 0, 4, 4);
        zeros(3).index_copy_(0, tensor(new[] { 1L }), tensor(new[] { 7f })).ShouldHold(0, 7, 0);
        zeros(4).scatter_add_(0, tensor(new[] { 1L, 1, 3 }), ones(3)).ShouldHold(0, 2, 0, 1);
        zeros(4).scatter_(0, tensor(new[] { 1L, 3 }), tensor(new[] { 5f, 6 })).ShouldHold(0, 5, 0, 6);
        table.masked_fill(table > 2, -1).ShouldHold(0, 1, 2, -1, -1, -1);
        table.masked_select(table > 2).ShouldHold(3, 4, 5);
        (table > 3).nonzero().ShouldHold(2, 0, 2, 1);
    }

    [Fact]
    public void Data_is_read_and_written_in_place()
    {
        var t = arange(6, dtype: float32).view(2, 3);
        var data = t.data<float>();
        data.Count.ShouldBe(6);
        data[1, 2].ShouldBe(5);
        data[4].ShouldBe(4);
        data[0, 1] = 10;
        t[0, 1].item<float>().ShouldBe(10);
        var some = new float[4];
        data.CopyTo(some, tensorIndex: 2);
        some.ShouldBe([2, 3, 4, 5]);
        data.CopyFrom([7f, 8], tensorIndex: 4);
        t[1].ShouldHold(3, 7, 8);
        t.t().data<float>().ToArray().ShouldBe([0f, 3, 10, 7, 2, 8]);
        t.transpose(0, 1).data<float>()[2, 0].ShouldBe(2);
        data.Sum().ShouldBe(30);
        Should.Throw<IndexOutOfRangeException>(() => data[6]);
        Should.Throw<IndexOutOfRangeException>(() => data[0, 3]);
        Should.Throw<ArgumentException>(() => t.data<double>());
        Should.Throw<ArgumentException>(() => t.item<float>());
    }

    [Fact]
    public void Bytes_are_the_memory_itself()
    {
        var t = tensor(new[] { 1, 2 });
        BitConverter.ToInt32(t.bytes).ShouldBe(1);
        t.bytes[4] = 9;
        t[1].item<int>().ShouldBe(9);
        t.bytes = new byte[8];
        t.ShouldHold(0, 0);
        Should.Throw<InvalidOperationException>(() => zeros(2, 3).t().bytes.Length);
        Should.Throw<ArgumentException>(() => t.bytes = new byte[3]);
    }

    [Fact]
    public unsafe void Storage_points_to_the_first_element_whatever_the_offset()
    {
        var t = arange(6, dtype: float32);
        var part = t.narrow(0, 2, 3);
        var pointer = (float*)part.storage<float>().data_ptr();
        pointer[3].ShouldBe(3);
        pointer[5] = 50;
        t[5].item<float>().ShouldBe(50);
        part.storage<float>().nbytes().ShouldBe(24ul);
        part.storage<float>().element_size().ShouldBe(4);
    }

    [Fact]
    public void Conversions_keep_values()
    {
        var t = tensor(new[] { 1.75, -2.5 });
        t.to(float32).dtype.ShouldBe(ScalarType.Float32);
        t.to_type(ScalarType.Int64).ShouldHold(1, -2);
        t.@long().ShouldHold(1, -2);
        t.type_as(tensor(1)).dtype.ShouldBe(ScalarType.Int32);
        t.to(CPU).ShouldHold(1.75, -2.5);
        t.to(ScalarType.Float32, CPU).dtype.ShouldBe(ScalarType.Float32);
        t.cpu().ShouldHold(1.75, -2.5);
        t.bfloat16().data<BFloat16>()[1].ToSingle().ShouldBe(-2.5f);
        ((float)t[0]).ShouldBe(1.75f);
        t[0].ToDouble().ShouldBe(1.75);
        t[1].ToInt32().ShouldBe(-2);
        t[0].item<double>().ShouldBe(1.75);
        tensor(1L).ToBoolean().ShouldBeTrue();
        Scalar scalar = 3;
        scalar.Type.ShouldBe(ScalarType.Int64);
        scalar.ToDouble().ShouldBe(3.0);
        ((Scalar)2.5).ToInt64().ShouldBe(2);
    }
}

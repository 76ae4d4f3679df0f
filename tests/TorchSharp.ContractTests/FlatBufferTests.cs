using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Parameters and gradients as views of one buffer each.</summary>
public class FlatBufferTests
{
    [Fact]
    public void Set_points_a_parameter_to_a_part_of_another_storage()
    {
        using var scope = NewDisposeScope();
        var flat = arange(10, dtype: float32);
        var parameter = new Parameter(zeros(2, 3));
        using (no_grad())
        {
            parameter.set_(flat.narrow(0, 4, 6).view(2, 3)).ShouldBeSameAs(parameter);
        }
        parameter.shape.ShouldBe([2, 3]);
        parameter.data<float>().ToArray().ShouldBe([4f, 5, 6, 7, 8, 9]);
        parameter.requires_grad.ShouldBeTrue();
        parameter.is_leaf.ShouldBeTrue();
        using (no_grad())
        {
            flat[4] = -1f;
            parameter[0, 0].item<float>().ShouldBe(-1);
            parameter[1, 2] = 20f;
        }
        flat[9].item<float>().ShouldBe(20);
    }

    [Fact]
    public void Backward_accumulates_into_a_gradient_that_is_a_view()
    {
        using var scope = NewDisposeScope();
        var flat = arange(6, dtype: float32);
        var flatGrad = zeros(6);
        var parameters = new[] { new Parameter(zeros(2)), new Parameter(zeros(2, 2)) };
        using (no_grad())
        {
            parameters[0].set_(flat.narrow(0, 0, 2).view(2));
            parameters[1].set_(flat.narrow(0, 2, 4).view(2, 2));
        }
        parameters[0].grad = flatGrad.narrow(0, 0, 2).view(2);
        parameters[1].grad = flatGrad.narrow(0, 2, 4).view(2, 2);

        for (int step = 1; step <= 2; step++)
        {
            ((parameters[0] * parameters[0]).sum() + (parameters[1] * 3).sum()).backward();
            flatGrad.data<float>().ToArray().ShouldBe(
                [0f, 2f * step, 3f * step, 3f * step, 3f * step, 3f * step]);
        }
        parameters[1].grad!.storage<float>().data_ptr().ShouldBe(flatGrad.storage<float>().data_ptr());
        parameters[1].grad!.storage_offset().ShouldBe(2);

        flatGrad.zero_();
        parameters[1].grad!.sum().item<float>().ShouldBe(0);
    }
}

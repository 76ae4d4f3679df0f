using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Grad mode, devices, threads, and what bad calls throw.</summary>
public class ModeAndErrorTests
{
    [Fact]
    public void Grad_mode_nests_and_belongs_to_its_thread()
    {
        is_grad_enabled().ShouldBeTrue();
        using (no_grad())
        {
            is_grad_enabled().ShouldBeFalse();
            using (enable_grad())
            {
                is_grad_enabled().ShouldBeTrue();
            }
            is_grad_enabled().ShouldBeFalse();
            OwnershipTests.OnThread(() => is_grad_enabled().ShouldBeTrue());
            using var x = ones(1, requires_grad: true);
            using var y = x * 2;
            y.requires_grad.ShouldBeFalse();
        }
        using (set_grad_enabled(false))
        {
            is_grad_enabled().ShouldBeFalse();
        }
        is_grad_enabled().ShouldBeTrue();
    }

    [Fact]
    public void Inference_mode_ends_with_its_guard()
    {
        is_inference_mode_enabled().ShouldBeFalse();
        using (inference_mode())
        {
            is_inference_mode_enabled().ShouldBeTrue();
            using var x = ones(1, requires_grad: true);
            using var y = x * 2;
            y.requires_grad.ShouldBeFalse();
        }
        is_inference_mode_enabled().ShouldBeFalse();
    }

    [Fact]
    public void Shapes_that_do_not_fit_throw_ExternalException()
    {
        using var scope = NewDisposeScope();
        var error = Should.Throw<ExternalException>(() => ones(2, 3) + ones(4));
        error.Message.ShouldContain("must match the size");
        Should.Throw<ExternalException>(() => ones(6).view(4, 2));
        Should.Throw<ExternalException>(() => cat([ones(2, 2), ones(3, 3)]));
        Should.Throw<ExternalException>(() => ones(2).add_(ones(3)));
        Should.Throw<ExternalException>(() => ones(2, 2).index_select(0, tensor(new[] { 5L })));
        Should.Throw<ExternalException>(() => ones(2).backward());
        Should.Throw<ExternalException>(() => ones(2).sum(3));
        Should.Throw<ArgumentException>(() => tensor(new[] { 1f }, [2]));
        Should.Throw<ArgumentException>(() => ones(2).index_add(0, tensor(new[] { 0 }), ones(1), 1));
        Should.Throw<ArgumentException>(() => where(ones(2), ones(2), ones(2)));
        Should.Throw<InvalidOperationException>(() => ones(2).dot(ones(3)));
    }

    [Fact]
    public void An_error_leaves_no_trace_in_the_next_call()
    {
        using var scope = NewDisposeScope();
        Should.Throw<ExternalException>(() => ones(2) + ones(3));
        (ones(2) + ones(2)).ShouldHold(2, 2);
    }

    [Fact]
    public void Devices_have_names_and_numbers()
    {
        device("cpu").type.ShouldBe(DeviceType.CPU);
        new Device("cuda:1").index.ShouldBe(1);
        new Device(DeviceType.CUDA, 2).ToString().ShouldBe("cuda:2");
        Device fromText = "cpu";
        fromText.type.ShouldBe(CPU.type);
        get_default_device().type.ShouldBe(DeviceType.CPU);
        get_default_dtype().ShouldBe(ScalarType.Float32);
        Should.Throw<ArgumentException>(() => set_default_dtype(ScalarType.Int64));
        using var t = ones(1);
        if (!cuda.is_available())
        {
            Should.Throw<InvalidOperationException>(() => t.to(DeviceType.CUDA));
        }
    }

    [Fact]
    public void The_number_of_threads_can_be_set()
    {
        int before = get_num_threads();
        set_num_threads(1);
        get_num_threads().ShouldBe(1);
        set_num_threads(before);
        get_num_interop_threads().ShouldBeGreaterThan(0);
    }
}

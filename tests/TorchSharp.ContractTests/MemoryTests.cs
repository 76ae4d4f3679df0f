using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Native memory does not grow from step to step.</summary>
public class MemoryTests
{
    // What one step allocates in tensors of its own, about.
    private const long StepBytes = 10L * 64 * 1024 * sizeof(float);

    [Fact]
    public void Memory_stays_level_over_many_training_steps()
    {
        using var weight = new Parameter(rand(256, 256) * 0.01);
        for (int i = 0; i < 50; i++)
        {
            Step(weight);
        }
        long before = Resident();
        for (int i = 0; i < 300; i++)
        {
            Step(weight);
        }
        // A leak of a single tensor per step would be 75 MB.
        (Resident() - before).ShouldBeLessThan(16 * StepBytes);
    }

    private static void Step(Parameter weight)
    {
        using var scope = NewDisposeScope();
        var x = ones(256, 256);
        var y = Times.apply(nn.functional.gelu(matmul(x, weight)), 2.0);
        var loss = nn.functional.mse_loss(y.split(128)[0], zeros(128, 256));
        loss.backward();
        using (no_grad())
        {
            weight.add_(weight.grad!, -1e-4);
        }
        weight.grad = null;
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private sealed class Times : autograd.SingleTensorFunction<Times>
    {
        public override string Name => nameof(Times);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            ctx.save_data("factor", vars[1]);
            return x * (double)vars[1];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            ctx.get_saved_variables()[0].shape.ShouldBe(grad_output.shape);
            return [grad_output * (double)ctx.get_data("factor"), null!];
        }
    }
}

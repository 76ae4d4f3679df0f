namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class utils
        {
            /// <summary>Scales the gradients down to a common norm, if theirs is larger; returns theirs.</summary>
            public static double clip_grad_norm_(IEnumerable<Modules.Parameter> tensors, double max_norm,
                double norm_type = 2)
            {
                using var scope = NewDisposeScope();
                using var noGrad = no_grad();
                var grads = tensors.Select(tensor => tensor.grad).OfType<Tensor>().ToList();
                if (grads.Count == 0)
                {
                    return 0;
                }
                var norms = stack(grads.Select(grad => grad.norm((float)norm_type)));
                double total = norms.norm((float)norm_type).ToDouble();
                double scale = max_norm / (total + 1e-6);
                if (scale < 1)
                {
                    grads.ForEach(grad => grad.mul_(scale));
                }
                return total;
            }
        }
    }
}

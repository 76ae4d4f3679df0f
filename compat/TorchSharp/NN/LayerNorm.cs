using TorchSharp.Modules;

namespace TorchSharp
{
    namespace Modules
    {
        /// <summary>Normalisation over the last dimensions.</summary>
        public sealed class LayerNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
        {
            internal LayerNorm(long[] shape, double eps, bool affine, bool bias, torch.Device? device,
                torch.ScalarType? dtype)
                : base(nameof(LayerNorm))
            {
                normalized_shape = shape;
                this.eps = eps;
                elementwise_affine = affine;
                if (affine)
                {
                    weight = new Parameter(torch.ones(shape, dtype, device));
                }
                if (affine && bias)
                {
                    this.bias = new Parameter(torch.zeros(shape, dtype, device));
                }
            }

            public long[] normalized_shape { get; set; }

            public double eps { get; set; }

            public bool elementwise_affine { get; set; }

            public Parameter weight
            {
                get => get_parameter("weight")!;
                set => Replace("weight", value);
            }

            public Parameter? bias
            {
                get => get_parameter("bias");
                set => Replace("bias", value);
            }

            public override torch.Tensor forward(torch.Tensor tensor) =>
                torch.nn.functional.layer_norm(tensor, normalized_shape, weight, bias, eps);
        }
    }

    public static partial class torch
    {
        public static partial class nn
        {
            public static LayerNorm LayerNorm(long[] normalized_shape, double eps = 1e-05,
                bool elementwise_affine = true, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new(normalized_shape, eps, elementwise_affine, bias, device, dtype);

            public static LayerNorm LayerNorm(long normalized_shape, double eps = 1e-05, bool elementwise_affine = true,
                bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                LayerNorm([normalized_shape], eps, elementwise_affine, bias, device, dtype);
        }
    }
}

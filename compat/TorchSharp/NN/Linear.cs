using TorchSharp.Modules;

namespace TorchSharp
{
    namespace Modules
    {
        /// <summary>input · weightᵀ + bias.</summary>
        public sealed class Linear : torch.nn.Module<torch.Tensor, torch.Tensor>
        {
            internal Linear(Parameter weight, Parameter? bias)
                : base(nameof(Linear))
            {
                in_features = weight.shape[1];
                out_features = weight.shape[0];
                this.weight = weight;
                this.bias = bias;
            }

            internal Linear(long inputs, long outputs, bool hasBias, torch.Device? device, torch.ScalarType? dtype)
                : this(
                    Uniform(torch.empty(outputs, inputs, dtype, device), inputs),
                    hasBias ? Uniform(torch.empty(outputs, dtype, device), inputs) : null)
            {
            }

            public long in_features { get; set; }

            public long out_features { get; set; }

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
                torch.nn.functional.linear(tensor, weight, bias);

            private static Parameter Uniform(torch.Tensor tensor, long inputs)
            {
                double bound = inputs > 0 ? 1 / Math.Sqrt(inputs) : 0;
                return new Parameter(tensor.uniform_(-bound, bound));
            }
        }
    }

    public static partial class torch
    {
        public static partial class nn
        {
            public static Linear Linear(long inputSize, long outputSize, bool hasBias = true, Device? device = null,
                ScalarType? dtype = null) => new(inputSize, outputSize, hasBias, device, dtype);

            public static Linear Linear(Parameter weight, Parameter? bias = null) => new(weight, bias);
        }
    }
}

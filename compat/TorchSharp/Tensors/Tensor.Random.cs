using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Filling with random numbers.
    public partial class Tensor
    {
        public Tensor uniform_(double from, double to, Generator? generator = null)
        {
            Aten.UniformInPlace.CallInPlace(this, from, to, generator);
            return this;
        }

        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null)
        {
            Aten.NormalInPlace.CallInPlace(this, mean, std, generator);
            return this;
        }

        public Tensor bernoulli_(double p = 0.5, Generator? generator = null)
        {
            Aten.BernoulliInPlace_float.CallInPlace(this, p, generator);
            return this;
        }

        public Tensor bernoulli_(Tensor p, Generator? generator = null)
        {
            Aten.BernoulliInPlace_Tensor.CallInPlace(this, p, generator);
            return this;
        }

        public Tensor bernoulli(Generator? generator = null) => Aten.Bernoulli.Call(this, generator);

        public Tensor random_(double from, double to, Generator? generator = null)
        {
            Aten.RandomInPlace_from.CallInPlace(this, (long)from, (long)to, generator);
            return this;
        }

        public Tensor exponential_(double lambda = 1, Generator? generator = null)
        {
            Aten.ExponentialInPlace.CallInPlace(this, lambda, generator);
            return this;
        }

        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) =>
            Aten.Multinomial.Call(this, num_samples, replacement, generator);
    }
}

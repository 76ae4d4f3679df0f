using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Functions of each element.
    public partial class Tensor
    {
        public Tensor abs() => Aten.Abs.Call(this);

        public Tensor abs_()
        {
            Aten.AbsInPlace.CallInPlace(this);
            return this;
        }

        public Tensor neg() => Aten.Neg.Call(this);

        public Tensor neg_()
        {
            Aten.NegInPlace.CallInPlace(this);
            return this;
        }

        public Tensor negative() => neg();

        public Tensor sign() => Aten.Sign.Call(this);

        public Tensor sign_()
        {
            Aten.SignInPlace.CallInPlace(this);
            return this;
        }

        public Tensor square() => pow(2);

        public Tensor sqrt() => Aten.Sqrt.Call(this);

        public Tensor sqrt_()
        {
            Aten.SqrtInPlace.CallInPlace(this);
            return this;
        }

        public Tensor rsqrt() => Aten.Rsqrt.Call(this);

        public Tensor rsqrt_()
        {
            Aten.RsqrtInPlace.CallInPlace(this);
            return this;
        }

        public Tensor reciprocal() => Aten.Reciprocal.Call(this);

        public Tensor reciprocal_()
        {
            Aten.ReciprocalInPlace.CallInPlace(this);
            return this;
        }

        public Tensor exp() => Aten.Exp.Call(this);

        public Tensor exp_()
        {
            Aten.ExpInPlace.CallInPlace(this);
            return this;
        }

        public Tensor exp2() => Aten.Exp2.Call(this);

        public Tensor expm1() => Aten.Expm1.Call(this);

        public Tensor log() => Aten.Log.Call(this);

        public Tensor log_()
        {
            Aten.LogInPlace.CallInPlace(this);
            return this;
        }

        public Tensor log2() => Aten.Log2.Call(this);

        public Tensor log10() => Aten.Log10.Call(this);

        public Tensor log1p() => Aten.Log1p.Call(this);

        public Tensor log1p_()
        {
            Aten.Log1pInPlace.CallInPlace(this);
            return this;
        }

        public Tensor sin() => Aten.Sin.Call(this);

        public Tensor cos() => Aten.Cos.Call(this);

        public Tensor tanh() => Aten.Tanh.Call(this);

        public Tensor tanh_()
        {
            Aten.TanhInPlace.CallInPlace(this);
            return this;
        }

        public Tensor sigmoid() => Aten.Sigmoid.Call(this);

        public Tensor sigmoid_()
        {
            Aten.SigmoidInPlace.CallInPlace(this);
            return this;
        }

        public Tensor erf() => Aten.Erf.Call(this);

        public Tensor erf_()
        {
            Aten.ErfInPlace.CallInPlace(this);
            return this;
        }

        public Tensor erfinv() => Aten.Erfinv.Call(this);

        public Tensor erfinv_()
        {
            Aten.ErfinvInPlace.CallInPlace(this);
            return this;
        }

        public Tensor floor() => Aten.Floor.Call(this);

        public Tensor floor_()
        {
            Aten.FloorInPlace.CallInPlace(this);
            return this;
        }

        public Tensor ceil() => Aten.Ceil.Call(this);

        public Tensor ceil_()
        {
            Aten.CeilInPlace.CallInPlace(this);
            return this;
        }

        public Tensor trunc() => Aten.Trunc.Call(this);

        public Tensor trunc_()
        {
            Aten.TruncInPlace.CallInPlace(this);
            return this;
        }

        public Tensor round(long decimals = 0) => Aten.Round_decimals.Call(this, decimals);

        public Tensor round_(long decimals = 0)
        {
            Aten.RoundInPlace_decimals.CallInPlace(this, decimals);
            return this;
        }

        public Tensor relu() => Aten.Relu.Call(this);

        public Tensor relu_()
        {
            Aten.ReluInPlace.CallInPlace(this);
            return this;
        }

        public Tensor silu() => Aten.Silu.Call(this);

        public Tensor silu_()
        {
            Aten.SiluInPlace.CallInPlace(this);
            return this;
        }

        public Tensor gelu() => Aten.Gelu.Call(this);

        public Tensor gelu(Modules.GELU.Approximate approximate) =>
            Aten.Gelu.Call(this, Approximation(approximate));

        public Tensor isnan() => Aten.Isnan.Call(this);

        public Tensor isinf() => Aten.Isinf.Call(this);

        public Tensor isfinite() => Aten.Isfinite.Call(this);

        public Tensor isposinf() => Aten.Isposinf.Call(this);

        public Tensor isneginf() => Aten.Isneginf.Call(this);

        public Tensor nan_to_num(double nan = 0, double? posinf = null, double? neginf = null) =>
            Aten.NanToNum.Call(this, nan, posinf, neginf);

        public Tensor nan_to_num_(double nan = 0, double? posinf = null, double? neginf = null)
        {
            Aten.NanToNumInPlace.CallInPlace(this, nan, posinf, neginf);
            return this;
        }
    }
}

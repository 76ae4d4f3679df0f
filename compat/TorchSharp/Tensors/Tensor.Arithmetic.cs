using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Arithmetic, element by element.
    public partial class Tensor
    {
        public Tensor add(Tensor target) => Aten.Add_Tensor.Call(this, target);

        public Tensor add(Tensor target, Scalar alpha) => Aten.Add_Tensor.Call(this, target, alpha);

        public Tensor add(Scalar scalar) => Aten.Add_Scalar.Call(this, scalar);

        public Tensor add(Scalar scalar, Scalar alpha) => Aten.Add_Scalar.Call(this, scalar, alpha);

        public Tensor add_(Tensor target)
        {
            Aten.AddInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor add_(Tensor target, Scalar alpha)
        {
            Aten.AddInPlace_Tensor.CallInPlace(this, target, alpha);
            return this;
        }

        public Tensor add_(Scalar scalar)
        {
            Aten.AddInPlace_Scalar.CallInPlace(this, scalar);
            return this;
        }

        public Tensor add_(Scalar scalar, Scalar alpha)
        {
            Aten.AddInPlace_Scalar.CallInPlace(this, scalar, alpha);
            return this;
        }

        public Tensor sub(Tensor target) => Aten.Sub_Tensor.Call(this, target);

        public Tensor sub(Scalar target) => Aten.Sub_Scalar.Call(this, target);

        public Tensor sub_(Tensor target)
        {
            Aten.SubInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor sub_(Scalar target)
        {
            Aten.SubInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor subtract(Tensor target) => sub(target);

        public Tensor subtract(Scalar target) => sub(target);

        public Tensor subtract_(Tensor target) => sub_(target);

        public Tensor subtract_(Scalar target) => sub_(target);

        public Tensor mul(Tensor target) => Aten.Mul_Tensor.Call(this, target);

        public Tensor mul(Scalar target) => Aten.Mul_Scalar.Call(this, target);

        public Tensor mul_(Tensor target)
        {
            Aten.MulInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor mul_(Scalar target)
        {
            Aten.MulInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor multiply(Tensor target) => mul(target);

        public Tensor multiply(Scalar target) => mul(target);

        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            Aten.Div_Tensor_mode.Call(this, target, Rounding(rounding_mode));

        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            Aten.Div_Scalar_mode.Call(this, target, Rounding(rounding_mode));

        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None)
        {
            Aten.DivInPlace_Tensor_mode.CallInPlace(this, target, Rounding(rounding_mode));
            return this;
        }

        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None)
        {
            Aten.DivInPlace_Scalar_mode.CallInPlace(this, target, Rounding(rounding_mode));
            return this;
        }

        public Tensor divide(Tensor target,
            RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);

        public Tensor divide(Scalar target,
            RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);

        public Tensor divide_(Tensor target,
            RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);

        public Tensor divide_(Scalar target,
            RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);

        public Tensor true_divide(Tensor other) => Aten.TrueDivide_Tensor.Call(this, other);

        public Tensor true_divide(Scalar other) => Aten.TrueDivide_Scalar.Call(this, other);

        public Tensor floor_divide(Tensor other) => Aten.FloorDivide.Call(this, other);

        public Tensor floor_divide(Scalar other) => Aten.FloorDivide_Scalar.Call(this, other);

        public Tensor remainder(Tensor target) => Aten.Remainder_Tensor.Call(this, target);

        public Tensor remainder(Scalar scalar) => Aten.Remainder_Scalar.Call(this, scalar);

        public Tensor remainder_(Tensor target)
        {
            Aten.RemainderInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor remainder_(Scalar scalar)
        {
            Aten.RemainderInPlace_Scalar.CallInPlace(this, scalar);
            return this;
        }

        public Tensor fmod(Tensor target) => Aten.Fmod_Tensor.Call(this, target);

        public Tensor fmod(Scalar scalar) => Aten.Fmod_Scalar.Call(this, scalar);

        public Tensor pow(Tensor exponent) => Aten.Pow_Tensor_Tensor.Call(this, exponent);

        public Tensor pow(Scalar exponent) => Aten.Pow_Tensor_Scalar.Call(this, exponent);

        public Tensor pow_(Tensor exponent)
        {
            Aten.PowInPlace_Tensor.CallInPlace(this, exponent);
            return this;
        }

        public Tensor pow_(Scalar exponent)
        {
            Aten.PowInPlace_Scalar.CallInPlace(this, exponent);
            return this;
        }

        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.Addcmul.Call(this, tensor1, tensor2, value);

        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value)
        {
            Aten.AddcmulInPlace.CallInPlace(this, tensor1, tensor2, value);
            return this;
        }

        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.Addcdiv.Call(this, tensor1, tensor2, value);

        public Tensor addcdiv(Tensor tensor1, Tensor tensor2) => Aten.Addcdiv.Call(this, tensor1, tensor2);

        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value)
        {
            Aten.AddcdivInPlace.CallInPlace(this, tensor1, tensor2, value);
            return this;
        }

        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2)
        {
            Aten.AddcdivInPlace.CallInPlace(this, tensor1, tensor2);
            return this;
        }

        public Tensor lerp(Tensor end, Tensor weight) => Aten.Lerp_Tensor.Call(this, end, weight);

        public Tensor lerp_(Tensor end, Tensor weight)
        {
            Aten.LerpInPlace_Tensor.CallInPlace(this, end, weight);
            return this;
        }

        public Tensor maximum(Tensor other) => Aten.Maximum.Call(this, other);

        public Tensor minimum(Tensor other) => Aten.Minimum.Call(this, other);

        public Tensor fmax(Tensor other) => Aten.Fmax.Call(this, other);

        public Tensor fmin(Tensor other) => Aten.Fmin.Call(this, other);

        public Tensor max(Tensor other) => Aten.Max_other.Call(this, other);

        public Tensor min(Tensor other) => Aten.Min_other.Call(this, other);

        public Tensor clamp(Scalar? min = null, Scalar? max = null) => Aten.Clamp.Call(this, min, max);

        public Tensor clamp(Tensor? min = null, Tensor? max = null) => Aten.Clamp_Tensor.Call(this, min, max);

        public Tensor clamp_(Scalar? min = null, Scalar? max = null)
        {
            Aten.ClampInPlace.CallInPlace(this, min, max);
            return this;
        }

        public Tensor clamp_(Tensor? min = null, Tensor? max = null)
        {
            Aten.ClampInPlace_Tensor.CallInPlace(this, min, max);
            return this;
        }

        public Tensor clamp_min(Scalar min) => Aten.ClampMin.Call(this, min);

        public Tensor clamp_max(Scalar max) => Aten.ClampMax.Call(this, max);

        public Tensor clamp_min_(Scalar min)
        {
            Aten.ClampMinInPlace.CallInPlace(this, min);
            return this;
        }

        public Tensor clamp_max_(Scalar max)
        {
            Aten.ClampMaxInPlace.CallInPlace(this, max);
            return this;
        }

        public Tensor clip(Scalar? min = null, Scalar? max = null) => clamp(min, max);
    }
}

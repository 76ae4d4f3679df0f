using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Comparisons and logic.
    public partial class Tensor
    {
        public Tensor eq(Tensor target) => Aten.Eq_Tensor.Call(this, target);

        public Tensor eq(Scalar target) => Aten.Eq_Scalar.Call(this, target);

        public Tensor ne(Tensor target) => Aten.Ne_Tensor.Call(this, target);

        public Tensor ne(Scalar target) => Aten.Ne_Scalar.Call(this, target);

        public Tensor lt(Tensor target) => Aten.Lt_Tensor.Call(this, target);

        public Tensor lt(Scalar target) => Aten.Lt_Scalar.Call(this, target);

        public Tensor le(Tensor target) => Aten.Le_Tensor.Call(this, target);

        public Tensor le(Scalar target) => Aten.Le_Scalar.Call(this, target);

        public Tensor gt(Tensor target) => Aten.Gt_Tensor.Call(this, target);

        public Tensor gt(Scalar target) => Aten.Gt_Scalar.Call(this, target);

        public Tensor ge(Tensor target) => Aten.Ge_Tensor.Call(this, target);

        public Tensor ge(Scalar target) => Aten.Ge_Scalar.Call(this, target);

        public Tensor eq_(Tensor target)
        {
            Aten.EqInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor eq_(Scalar target)
        {
            Aten.EqInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor ne_(Tensor target)
        {
            Aten.NeInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor ne_(Scalar target)
        {
            Aten.NeInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor lt_(Tensor target)
        {
            Aten.LtInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor lt_(Scalar target)
        {
            Aten.LtInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor le_(Tensor target)
        {
            Aten.LeInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor le_(Scalar target)
        {
            Aten.LeInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor gt_(Tensor target)
        {
            Aten.GtInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor gt_(Scalar target)
        {
            Aten.GtInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor ge_(Tensor target)
        {
            Aten.GeInPlace_Tensor.CallInPlace(this, target);
            return this;
        }

        public Tensor ge_(Scalar target)
        {
            Aten.GeInPlace_Scalar.CallInPlace(this, target);
            return this;
        }

        public Tensor equal(Tensor target) => eq(target);

        public Tensor not_equal(Tensor target) => ne(target);

        public Tensor less(Tensor target) => lt(target);

        public Tensor less_equal(Tensor target) => le(target);

        public Tensor greater(Tensor target) => gt(target);

        public Tensor greater_equal(Tensor target) => ge(target);

        public Tensor isclose(Tensor other, double rtol = 1E-05, double atol = 1E-08, bool nanEqual = false) =>
            Aten.Isclose.Call(this, other, rtol, atol, nanEqual);

        public bool allclose(Tensor target, double rtol = 1E-05, double atol = 1E-08, bool equal_nan = false) =>
            Aten.Allclose.CallForBool(this, target, rtol, atol, equal_nan);

        public Tensor logical_and(Tensor other) => Aten.LogicalAnd.Call(this, other);

        public Tensor logical_and_(Tensor other)
        {
            Aten.LogicalAndInPlace.CallInPlace(this, other);
            return this;
        }

        public Tensor logical_or(Tensor other) => Aten.LogicalOr.Call(this, other);

        public Tensor logical_or_(Tensor other)
        {
            Aten.LogicalOrInPlace.CallInPlace(this, other);
            return this;
        }

        public Tensor logical_xor(Tensor other) => Aten.LogicalXor.Call(this, other);

        public Tensor logical_xor_(Tensor other)
        {
            Aten.LogicalXorInPlace.CallInPlace(this, other);
            return this;
        }

        public Tensor logical_not() => Aten.LogicalNot.Call(this);

        public Tensor logical_not_()
        {
            Aten.LogicalNotInPlace.CallInPlace(this);
            return this;
        }

        public Tensor bitwise_and(Tensor other) => Aten.BitwiseAnd_Tensor.Call(this, other);

        public Tensor bitwise_or(Tensor other) => Aten.BitwiseOr_Tensor.Call(this, other);

        public Tensor bitwise_xor(Tensor other) => Aten.BitwiseXor_Tensor.Call(this, other);

        public Tensor bitwise_not() => Aten.BitwiseNot.Call(this);

        public Tensor where(Tensor condition, Tensor y) =>
            Aten.Where_self.Call(BooleanMask(condition), this, y);
    }
}

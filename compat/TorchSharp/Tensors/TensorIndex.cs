namespace TorchSharp;

public static partial class torch
{
    /// <summary>One place of an indexing expression.</summary>
    public struct TensorIndex
    {
        public static TensorIndex Ellipsis = new() { Kind = Kinds.Ellipsis };
        public static TensorIndex None = new() { Kind = Kinds.None };
        public static TensorIndex Colon = Slice();

        internal Kinds Kind;
        internal long? Start;
        internal long? Stop;
        internal long? Step;
        internal Tensor? Mask;

        internal enum Kinds
        {
            None,
            Single,
            Ellipsis,
            Bool,
            Tensor,
            Slice,
        }

        public static implicit operator TensorIndex(long value) => Single(value);

        public static implicit operator TensorIndex((int? start, int? end) range) => Slice(range);

        public static implicit operator TensorIndex(Range range) => Slice(range);

        public static implicit operator TensorIndex(Index index) =>
            Single(index.IsFromEnd ? -index.Value : index.Value);

        /// <summary>There for overload resolution alone.</summary>
        public static implicit operator Tensor(TensorIndex value) =>
            throw new InvalidOperationException("Should not be called.");

        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) =>
            new() { Kind = Kinds.Slice, Start = start, Stop = stop, Step = step };

        public static TensorIndex Slice((int? start, int? end) range) => Slice((long?)range.start, (long?)range.end);

        public static TensorIndex Slice(Range range) => Slice(
            range.Start.IsFromEnd ? -range.Start.Value : range.Start.Value,
            !range.End.IsFromEnd ? range.End.Value : range.End.Value == 0 ? null : -range.End.Value);

        public static TensorIndex Bool(bool value) => new() { Kind = Kinds.Bool, Start = value ? 1 : 0 };

        public static TensorIndex Single(long? index) => new() { Kind = Kinds.Single, Start = index };

        public static TensorIndex Tensor(Tensor tensor) => new() { Kind = Kinds.Tensor, Mask = tensor };
    }
}

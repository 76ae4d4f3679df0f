namespace TorchSharp;

/// <summary>What padding is made of.</summary>
public enum PaddingModes
{
    Zeros = 0,
    Reflect = 1,
    Replicate = 2,
    Circular = 3,
    Constant = 4,
}

public static partial class torch
{
    /// <summary>What division does with the quotient.</summary>
    public enum RoundingMode
    {
        /// <summary>True division.</summary>
        None = 0,
        trunc = 1,
        floor = 2,
    }

    public static partial class nn
    {
        /// <summary>What a loss does with the values of the elements.</summary>
        public enum Reduction : long
        {
            None = 0,
            Mean = 1,
            Sum = 2,
        }
    }
}

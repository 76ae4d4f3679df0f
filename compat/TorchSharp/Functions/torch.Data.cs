namespace TorchSharp;

// Copies, conversions and filling, as functions.
public static partial class torch
{
    public static Tensor clone(Tensor input) => input.clone();
}

namespace TorchSharp.Modules;

/// <summary>Names the approximations of GELU.</summary>
public static class GELU
{
    public enum Approximate
    {
        none,
        tanh,
    }
}

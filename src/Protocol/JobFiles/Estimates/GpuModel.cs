namespace Linformer.Protocol;

/// <summary>A GPU as its maker describes it, for estimates.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="MemoryBytes">Its memory.</param>
/// <param name="Fp32">Floating-point operations per second in fp32, without tensor cores.</param>
/// <param name="Bf16">The same of its tensor cores in bf16, dense; null where it has none for bf16.</param>
public sealed record GpuModel(string Name, long MemoryBytes, double Fp32, double? Bf16)
{
    private const double Tera = 1e12;

    /// <summary>Those that are known. Numbers are of the makers' data sheets.</summary>
    public static IReadOnlyList<GpuModel> Known { get; } =
    [
        new("v100-16gb", 16L << 30, 15.7 * Tera, null),
        new("v100-32gb", 32L << 30, 15.7 * Tera, null),
        new("t4", 16L << 30, 8.1 * Tera, null),
        new("a10g", 24L << 30, 31.2 * Tera, 70 * Tera),
        new("l4", 24L << 30, 30.3 * Tera, 121 * Tera),
        new("l40s", 48L << 30, 91.6 * Tera, 362 * Tera),
        new("rtx-4090", 24L << 30, 82.6 * Tera, 165 * Tera),
        new("a100-40gb", 40L << 30, 19.5 * Tera, 312 * Tera),
        new("a100-80gb", 80L << 30, 19.5 * Tera, 312 * Tera),
        new("h100-sxm", 80L << 30, 67 * Tera, 989 * Tera),
    ];
}

namespace Linformer.Worker.Machines;

/// <summary>A GPU of this machine, as its driver names it.</summary>
/// <param name="Uuid">Such as <c>GPU-8f0c1d2e-…</c>: the same wherever the GPU is listed.</param>
/// <param name="Name">Its model.</param>
/// <param name="MemoryBytes">All its memory; 0 where the driver does not tell.</param>
/// <param name="Bfloat16">Whether it multiplies matrices of bfloat16 in hardware; false where the driver does not tell.</param>
public sealed record Gpu(string Uuid, string Name, long MemoryBytes, bool Bfloat16 = false);

/// <summary>How a GPU is doing.</summary>
/// <param name="UsedMemoryBytes">Memory that is taken, by whomever; 0 where the driver does not tell.</param>
/// <param name="Temperature">In degrees Celsius; 0 where the driver does not tell.</param>
/// <param name="Utilization">Of the last second or less, the time in which something was computed, in percent; 0 where the driver does not tell.</param>
public readonly record struct GpuReading(long UsedMemoryBytes, int Temperature, int Utilization);

/// <summary>The GPUs of this machine cannot be used as was asked.</summary>
/// <param name="message">Why, and how to mend it.</param>
public sealed class GpuException(string message) : Exception(message);

using System.Runtime.InteropServices;

namespace Linformer.Bench.Profile;

/// <summary>The time of a kernel.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Seconds">Its wall time, without that of others that it called.</param>
/// <param name="Flops">Floating-point operations of its matrix products; 0 for other kernels.</param>
public sealed record KernelTime(string Name, long Calls, double Seconds, double Flops);

/// <summary>The clock inside the native kernels, see native/kernels/profile.h. Of this process.</summary>
internal static unsafe partial class KernelProfile
{
    private const string Library = "linformer_kernels";

    /// <summary>Forgets what was measured and begins, or stays off.</summary>
    public static void Start(bool on)
    {
        if (on)
        {
            Try(() => Begin(1));
        }
    }

    /// <summary>Ends, and gives what ran, the longest first; nothing where it was off or there are no native kernels.</summary>
    public static IReadOnlyList<KernelTime> Stop()
    {
        var times = new List<KernelTime>();
        Try(() =>
        {
            Begin(0);
            for (var i = 0; Read(i, out var name, out var calls, out var seconds, out var flops) != 0; i++)
            {
                times.Add(new KernelTime(Marshal.PtrToStringUTF8(name)!, calls, seconds, flops));
            }
        });
        return [.. times.Where(time => time.Calls > 0).OrderByDescending(time => time.Seconds)];
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // The plain tensors of a machine without the library have no such clock.
        }
    }

    [LibraryImport(Library, EntryPoint = "lf_profile_begin")]
    private static partial void Begin(int on);

    [LibraryImport(Library, EntryPoint = "lf_profile_read")]
    private static partial int Read(int index, out nint name, out long calls, out double seconds, out double flops);
}

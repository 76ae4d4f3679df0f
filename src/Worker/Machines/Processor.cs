using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Linformer.Worker.Machines;

/// <summary>What a machine's processor, and the memory beside it, are good for.</summary>
/// <param name="Bfloat16">Whether it multiplies matrices of bfloat16 in hardware, and the operating system lets programs do so.</param>
/// <param name="MemoryBytes">Memory of the machine, or of the control group that limits it; 0 where that is not known.</param>
public sealed partial record Processor(bool Bfloat16, long MemoryBytes)
{
    // The parts of a thread's state that these instructions need, as bits of XCR0.
    private const ulong OfAvx512 = 0b1110_0000;
    private const ulong OfAmx = 0b110UL << 16;

    // arch_prctl of x86-64, and what it tells of the state that threads may have: since Linux 5.16.
    private const long ArchPrctl = 158;
    private const long SupportedState = 0x1021;

    private static readonly Lazy<Processor> Own = new(() => new Processor(
        X86Base.IsSupported && HasBfloat16(X86Base.CpuId, ThreadState()), new MachineReader(TimeProvider.System).ReadMemory()));

    /// <summary>Asks the CPUID instruction.</summary>
    /// <param name="leaf">What is asked, in EAX.</param>
    /// <param name="subleaf">Which part of it, in ECX.</param>
    /// <returns>The registers in which it answers.</returns>
    public delegate (int Eax, int Ebx, int Ecx, int Edx) CpuId(int leaf, int subleaf);

    /// <summary>Of this machine. It is asked by CPUID and the kernel, once; no setting has a say in it.</summary>
    public static Processor OfThisMachine => Own.Value;

    /// <summary>Whether an x86 processor has AVX512_BF16 or AMX_BF16, and the kernel keeps the state that it needs.</summary>
    /// <param name="ask">CPUID.</param>
    /// <param name="state">The state of a thread that the kernel keeps, as bits of XCR0.</param>
    /// <exception cref="ArgumentNullException"><paramref name="ask"/> is null.</exception>
    public static bool HasBfloat16(CpuId ask, ulong state)
    {
        ArgumentNullException.ThrowIfNull(ask);
        if (ask(0, 0).Eax < 7)
        {
            return false;
        }

        var features = ask(7, 0);
        var avx512 = features.Eax >= 1 && Bit(ask(7, 1).Eax, 5) && (state & OfAvx512) == OfAvx512;
        return avx512 || (Bit(features.Edx, 22) && (state & OfAmx) == OfAmx);
    }

    private static bool Bit(int register, int bit) => ((register >> bit) & 1) != 0;

    // A kernel that does not know the question knows no AMX either; whether it knows AVX-512, the runtime has found out.
    private static ulong ThreadState() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && SystemCall(ArchPrctl, SupportedState, out var state) == 0
            ? state
            : Avx512F.IsSupported ? OfAvx512 : 0;

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long SystemCall(long number, long option, out ulong answer);
}

using System.Runtime.InteropServices;
using Linformer.Worker.Machines;

namespace Linformer.Worker.Tests.Machines;

public sealed class ProcessorTests
{
    private const ulong Avx512State = 0xE7;
    private const ulong AmxState = 0x6_0000;

    [Theory]
    // Zen 5: AVX512_BF16, no AMX.
    [InlineData(1, 1 << 5, 0, Avx512State, true)]
    // Sapphire Rapids: both.
    [InlineData(2, 1 << 5, 1 << 22, Avx512State | AmxState, true)]
    [InlineData(2, 1 << 5, 1 << 22, Avx512State, true)]
    // AMX alone.
    [InlineData(0, 0, 1 << 22, AmxState, true)]
    [InlineData(0, 0, 1 << 22, Avx512State, false)]
    [InlineData(0, 0, 1 << 22, AmxState & ~(1UL << 18), false)]
    // The kernel was told to leave AVX-512 alone.
    [InlineData(1, 1 << 5, 0, 0x7UL, false)]
    [InlineData(1, 1 << 5, 0, 0xA7UL, false)]
    // Without subleaf 1, what it answers means nothing.
    [InlineData(0, 1 << 5, 0, Avx512State, false)]
    // AVX_VNNI (bit 4), AVX512_FP16 (bit 23), AMX_TILE (bit 24): neighbours.
    [InlineData(1, 1 << 4, (1 << 23) | (1 << 24), Avx512State | AmxState, false)]
    public void AProcessorHasBfloat16IfCpuidSaysSoAndTheKernelKeepsItsState(int subleaves, int eaxOfOne, int edxOfZero, ulong state, bool expected)
    {
        Processor.HasBfloat16(Ask, state).ShouldBe(expected);

        (int, int, int, int) Ask(int leaf, int subleaf) => (leaf, subleaf) switch
        {
            (0, _) => (0x20, 0, 0, 0),
            (7, 0) => (subleaves, -1, -1, edxOfZero),
            (7, 1) => (eaxOfOne, 0, 0, 0),
            _ => (-1, -1, -1, -1),
        };
    }

    [Fact]
    public void AnOldProcessorIsNotAskedWhatItDoesNotKnow() =>
        Processor.HasBfloat16((leaf, _) => leaf == 0 ? (6, 0, 0, 0) : (-1, -1, -1, -1), ulong.MaxValue).ShouldBeFalse();

    // The kernel lists what it lets programs use.
    [SkippableFact]
    public void OfThisMachineIsWhatTheKernelSays()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? [];

        Processor.OfThisMachine.Bfloat16.ShouldBe(RuntimeInformation.ProcessArchitecture == Architecture.X64 && (flags.Contains("avx512_bf16") || flags.Contains("amx_bf16")));
        Processor.OfThisMachine.MemoryBytes.ShouldBeInRange(64L << 20, 1L << 50);
    }
}

using System.Globalization;

namespace EndToEnd;

[Trait("Lane", "Processes")]
public sealed class MemoryTests : IDisposable
{
    private const long AllowedGrowth = 12 << 20;

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    /// <summary>A step allocates far more than the allowed growth over 1,000 steps: what is not freed at once would show.</summary>
    [Fact]
    public async Task A_rank_does_not_grow_over_1000_steps()
    {
        using var process = LinformerProcess.Start(_workspace.Train(_workspace.Job("memory", steps: 1_000_000), "--ranks", "2"));
        // Until then the runtime compiles again what runs often, and finds the size of its heaps.
        await _workspace.WaitForStepAsync("memory", 1000);
        var ranks = process.Children();
        var before = ranks.Select(ResidentBytes).ToList();
        await _workspace.WaitForStepAsync("memory", 2000);
        var after = ranks.Select(ResidentBytes).ToList();
        process.Signal("INT");
        await process.WaitAsync();

        for (var rank = 0; rank < ranks.Count; rank++)
        {
            (after[rank] - before[rank]).ShouldBeLessThan(AllowedGrowth, $"rank {rank} from {before[rank]} to {after[rank]} bytes");
        }
    }

    private static long ResidentBytes(int processId) =>
        1024 * long.Parse(
            File.ReadLines($"/proc/{processId}/status").Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture);
}

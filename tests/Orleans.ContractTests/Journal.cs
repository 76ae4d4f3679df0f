using System.Collections.Concurrent;

namespace Orleans.ContractTests;

/// <summary>What grains did, in order; tests wait for an entry instead of for a time.</summary>
public sealed class Journal
{
    private readonly ConcurrentQueue<string> _entries = new();

    public string[] Entries => [.. _entries];

    public void Add(string entry) => _entries.Enqueue(entry);

    public int Count(string entry) => _entries.Count(existing => existing == entry);

    public async Task WaitForAsync(string entry, int count = 1)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (Count(entry) < count)
        {
            await Task.Delay(5, limit.Token);
        }
    }
}

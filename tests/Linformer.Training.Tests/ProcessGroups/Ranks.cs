using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Runs the ranks of a group as threads of this process.</summary>
internal static class Ranks
{
    /// <summary>How long a test waits for what must happen: far more than it takes on a busy machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private static long _generation;

    /// <summary>Runs a body for every rank of a new group, and throws what any of them throws.</summary>
    public static void Run(int worldSize, Action<GlooProcessGroup> body) => Run(worldSize, new GlooOptions(), body);

    /// <summary>Runs a body for every rank of a new group, and throws what any of them throws.</summary>
    public static void Run(int worldSize, GlooOptions options, Action<GlooProcessGroup> body)
    {
        foreach (var error in Try(worldSize, options, body))
        {
            if (error is not null)
            {
                throw new AggregateException(error);
            }
        }
    }

    /// <summary>Runs a body for every rank of a new group, and gives what each has thrown.</summary>
    public static Exception?[] Try(int worldSize, GlooOptions options, Action<GlooProcessGroup> body) => Try(worldSize, body, options);

    /// <summary>Runs a body for every rank of a new group, and gives what each has thrown.</summary>
    public static Exception?[] Try(int worldSize, Action<GlooProcessGroup> body, GlooOptions? options = null)
    {
        var store = new InMemoryRendezvousStore();
        var generation = Interlocked.Increment(ref _generation);
        return Parallel(worldSize, rank =>
        {
            using var group = new GlooProcessGroup(rank, worldSize, generation, store, options);
            body(group);
        });
    }

    /// <summary>Runs a body on several threads, and gives what each has thrown.</summary>
    public static Exception?[] Parallel(int count, Action<int> body)
    {
        var errors = new Exception?[count];
        var threads = new Thread[count];
        for (var i = 0; i < count; i++)
        {
            var number = i;
            threads[i] = new Thread(() => errors[number] = Record.Exception(() => body(number))) { IsBackground = true };
            threads[i].Start();
        }

        foreach (var thread in threads)
        {
            thread.Join(Patience).ShouldBeTrue("a rank hangs");
        }

        return errors;
    }
}

using System.Threading.Channels;
using Google.Protobuf;
using Linformer.Coordinator.Rendezvous;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>Brings a worker what ranks on other workers publish, for every generation that it shares with them, as long as it is assigned.</summary>
internal sealed class GenerationFeeds(IGrainFactory grains, string worker)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly Channel<HashSet<SharedGeneration>> _wanted = Channel.CreateBounded<HashSet<SharedGeneration>>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    /// <summary>Follows the generations of an assignment, and no others.</summary>
    public void Follow(WorkerAssignment assignment) => _wanted.Writer.TryWrite(
        [.. assignment.Groups
            .Where(group => IsShared(group))
            .Select(group => new SharedGeneration(group.JobId, group.Plan!.Lineage, group.Plan.Generation))]);

    /// <summary>Sends values until it is cancelled.</summary>
    public async Task RunAsync(Func<Proto.CoordinatorMessage, CancellationToken, Task> send, CancellationToken cancellationToken)
    {
        var running = new Dictionary<SharedGeneration, (CancellationTokenSource Stop, Task Task)>();
        try
        {
            await foreach (var wanted in _wanted.Reader.ReadAllAsync(cancellationToken))
            {
                foreach (var old in running.Keys.Except(wanted).ToList())
                {
                    await EndAsync(running[old]);
                    running.Remove(old);
                }
                foreach (var generation in wanted.Except(running.Keys).ToList())
                {
                    var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                    running.Add(generation, (stop, FollowAsync(generation, send, stop.Token)));
                }
            }
        }
        finally
        {
            foreach (var feed in running.Values)
                await EndAsync(feed);
        }
    }

    // Ranks that are all on this worker find each other there.
    private static bool IsShared(AssignedGroup group) =>
        group.Plan is { } plan && group.Members.Count(place => plan.Members.Contains(place.Member)) is var own && own > 0 && own < plan.Members.Length;

    private static async Task EndAsync((CancellationTokenSource Stop, Task Task) feed)
    {
        await feed.Stop.CancelAsync();
        await feed.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        feed.Stop.Dispose();
    }

    private async Task FollowAsync(SharedGeneration generation, Func<Proto.CoordinatorMessage, CancellationToken, Task> send, CancellationToken cancellationToken)
    {
        var grain = grains.GetGrain<IRendezvousGrain>(generation.JobId);
        var cursor = "";
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var page = await grain.ReadAfter(generation.Lineage, generation.Generation, cursor, cancellationToken);
                cursor = page.Cursor;
                var values = page.Entries.Where(entry => entry.Worker != worker).Select(entry => ToProto(generation, entry)).ToList();
                if (values.Count > 0)
                    await send(new Proto.CoordinatorMessage { Rendezvous = new Proto.RendezvousValues { Values = { values } } }, cancellationToken);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // Ranks wait for each other's addresses; whatever was in the way may be gone by now.
                await Task.Delay(RetryAfter, cancellationToken);
            }
        }
    }

    private static Proto.RendezvousValue ToProto(SharedGeneration generation, RendezvousEntry entry) => new()
    {
        JobId = generation.JobId,
        Lineage = generation.Lineage,
        Generation = generation.Generation,
        Key = entry.Key,
        Value = ByteString.CopyFrom(entry.Value.AsSpan()),
    };

    private sealed record SharedGeneration(string JobId, int Lineage, int Generation);
}

using System.Security.Cryptography;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>What a rank that joins a generation says of the state that it has in memory.</summary>
/// <param name="Holds">Whether it holds a state of the generation's lineage.</param>
/// <param name="Generation">The generation in which the state's last step was computed.</param>
/// <param name="Step">The state's last step.</param>
/// <param name="Stop">Whether the rank was asked to stop.</param>
public readonly record struct StateOffer(bool Holds, long Generation, long Step, bool Stop);

/// <summary>The ranks of a generation cannot get the same state; each of them still holds what it held.</summary>
/// <param name="reason">Why, as a predicate.</param>
public sealed class StateExchangeException(string reason) : Exception(reason);

/// <summary>
/// How the ranks of a new generation come to hold the same state: all say what they hold, the lowest rank with the furthest
/// step is the root, and whoever holds something else receives the root's.
/// </summary>
/// <remarks>
/// What is received goes into a staging buffer, is compared by SHA-256 with what the root sent, and becomes the state only
/// once all ranks have said that theirs is right. Whatever breaks before leaves everybody as they were.
/// </remarks>
public static class StateExchange
{
    // Long enough that a chunk's latency does not count, short enough that hashing and sending overlap.
    private const long ChunkElements = 1 << 20;
    private const int MaximumHeaderBytes = 64 << 20;

    /// <summary>What all ranks hold, by rank.</summary>
    /// <param name="group">The generation's group; all its ranks call this.</param>
    /// <param name="mine">What this rank holds.</param>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public static IReadOnlyList<StateOffer> Gather(IProcessGroup group, StateOffer mine)
    {
        var all = GatherNumbers(group, mine.Holds ? 1 : 0, mine.Generation, mine.Step, mine.Stop ? 1 : 0);
        return [.. all.Select(offer => new StateOffer(offer[0] != 0, offer[1], offer[2], offer[3] != 0))];
    }

    /// <summary>The same few numbers of all ranks, by rank.</summary>
    /// <param name="group">The generation's group; all its ranks call this.</param>
    /// <param name="mine">This rank's.</param>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public static IReadOnlyList<long[]> GatherNumbers(IProcessGroup group, params long[] mine)
    {
        using var scope = NewDisposeScope();
        var all = zeros([group.WorldSize * mine.Length], dtype: ScalarType.Int64, device: group.Device);
        group.AllGather(tensor(mine, device: group.Device), all).Wait();
        return [.. all.cpu().data<long>().ToArray().Chunk(mine.Length)];
    }

    /// <summary>
    /// The rank whose state all go on from: the lowest of those with the furthest step; null when nobody holds any. A step of a
    /// newer generation is further than any of an older one, which may have gone on alone.
    /// </summary>
    /// <param name="offers">What the ranks hold, by rank.</param>
    public static int? ChooseRoot(IReadOnlyList<StateOffer> offers)
    {
        int? root = null;
        for (var rank = 0; rank < offers.Count; rank++)
        {
            if (offers[rank].Holds && (root is null || Place(offers[rank]).CompareTo(Place(offers[root.Value])) > 0))
            {
                root = rank;
            }
        }

        return root;
    }

    /// <summary>The ranks that hold something else than the root.</summary>
    /// <param name="offers">What the ranks hold, by rank.</param>
    /// <param name="root">The root.</param>
    public static IReadOnlyList<int> Receivers(IReadOnlyList<StateOffer> offers, int root) =>
        [.. Enumerable.Range(0, offers.Count).Where(rank => !offers[rank].Holds || Place(offers[rank]) != Place(offers[root]))];

    /// <summary>Gives the root's state to those who need it. When this throws, this rank's state is as it was.</summary>
    /// <param name="trainer">This rank's trainer, between two steps.</param>
    /// <param name="group">The generation's group; all its ranks call this.</param>
    /// <param name="root">The rank that gives.</param>
    /// <param name="receivers">The ranks that receive; without any, nothing is sent. The same on all ranks.</param>
    /// <param name="note">Travels with the root's state; what others than the root pass does not count.</param>
    /// <returns>The root's note on a receiver; empty on all others.</returns>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    /// <exception cref="StateExchangeException">What arrived at some rank is not what the root sent.</exception>
    public static byte[] Transfer(Trainer trainer, IProcessGroup group, int root, IReadOnlyList<int> receivers, ReadOnlySpan<byte> note)
    {
        if (receivers.Count == 0)
        {
            return [];
        }

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var header = BroadcastBytes(group, root, group.Rank == root ? StateHeader.Of(trainer.State, note).ToJson() : []);
        Tensor[] live = [trainer.Parameters.Values, trainer.Optimizer.FirstMoment, trainer.Optimizer.SecondMoment, .. trainer.Outer is { } outer ? [outer.Momentum] : Array.Empty<Tensor>()];
        if (!receivers.Contains(group.Rank))
        {
            var passes = group.Rank != root;
            var sent = BroadcastState(group, root, live, header, passes);
            CheckAllRight(group, root, sent, mustMatch: !passes);
            return [];
        }

        Tensor[] staging = [.. live.Select(buffer => empty_like(buffer))];
        CheckAllRight(group, root, BroadcastState(group, root, staging, header, passes: false), mustMatch: true);
        var received = StateHeader.FromJson(header);
        var state = received.ToState();
        for (var i = 0; i < live.Length; i++)
        {
            live[i].copy_(staging[i]);
        }

        trainer.ContinueFrom(state);
        return received.Note;
    }

    private static (long Generation, long Step) Place(StateOffer offer) => (offer.Generation, offer.Step);

    /// <summary>Sends the buffers chunk by chunk; while one travels, the one before is hashed.</summary>
    /// <param name="group">The group.</param>
    /// <param name="root">The rank that gives.</param>
    /// <param name="buffers">What is sent on the root, and where it goes on the receivers.</param>
    /// <param name="header">What was sent before.</param>
    /// <param name="passes">Whether this rank has the state, and only passes it on.</param>
    /// <returns>The SHA-256 of the header and of the buffers, as they have left or arrived.</returns>
    internal static byte[] BroadcastState(IProcessGroup group, int root, Tensor[] buffers, byte[] header, bool passes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        var chunkLength = Math.Min(ChunkElements, buffers[0].numel());
        Tensor[] passing = passes ? [NewChunk(), NewChunk()] : [];
        (Tensor Chunk, IWork Work)? before = null;
        var number = 0;
        foreach (var buffer in buffers)
        {
            for (var start = 0L; start < buffer.numel(); start += chunkLength, number++)
            {
                var count = Math.Min(chunkLength, buffer.numel() - start);
                var chunk = passes ? passing[number % 2].narrow(0, 0, count) : buffer.narrow(0, start, count);
                var work = group.Broadcast(chunk, root);
                Finish(before, passes ? null : hash);
                before = (chunk, work);
            }
        }

        Finish(before, passes ? null : hash);
        return hash.GetHashAndReset();

        Tensor NewChunk() => empty([chunkLength], dtype: buffers[0].dtype, device: buffers[0].device);
    }

    private static void Finish((Tensor Chunk, IWork Work)? sent, IncrementalHash? hash)
    {
        if (sent is not var (chunk, work))
        {
            return;
        }

        using (chunk)
        {
            work.Wait();
            if (hash is null)
            {
                return;
            }

            using var onCpu = chunk.cpu();
            using var held = TensorBuffer.OnCpu(onCpu, nameof(chunk));
            hash.AppendData(held.AsBytes());
        }
    }

    /// <summary>Compares hashes with the root's; throws on all ranks when one that must match does not.</summary>
    internal static void CheckAllRight(IProcessGroup group, int root, byte[] hash, bool mustMatch)
    {
        var roots = BroadcastBytes(group, root, hash);
        using var right = tensor(new[] { !mustMatch || hash.AsSpan().SequenceEqual(roots) ? 1 : 0 }, device: group.Device);
        group.AllReduce(right, ReduceOperation.Min).Wait();
        if (right.item<int>() == 0)
        {
            throw new StateExchangeException($"found that the state which arrived is not the one that rank {root} sent");
        }
    }

    /// <summary>Gives the root's bytes to all.</summary>
    internal static byte[] BroadcastBytes(IProcessGroup group, int root, byte[] mine)
    {
        using var length = tensor(new[] { (long)mine.Length }, device: group.Device);
        group.Broadcast(length, root).Wait();
        var bytes = length.item<long>();
        if (bytes is < 0 or > MaximumHeaderBytes)
        {
            throw new StateExchangeException($"was told by rank {root} that {bytes} bytes would come; allowed are {MaximumHeaderBytes}");
        }

        // Collectives have no bytes: eight travel as one number.
        var numbers = new long[(bytes + 7) / 8];
        Buffer.BlockCopy(mine, 0, numbers, 0, group.Rank == root ? mine.Length : 0);
        using var content = tensor(numbers, device: group.Device);
        group.Broadcast(content, root).Wait();
        var result = new byte[bytes];
        using var onCpu = content.cpu();
        Buffer.BlockCopy(onCpu.data<long>().ToArray(), 0, result, 0, result.Length);
        return result;
    }
}

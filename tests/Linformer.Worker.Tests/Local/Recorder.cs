using System.Collections.Concurrent;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Local;

/// <summary>Keeps what the ranks do, and can act on it.</summary>
internal sealed class Recorder : IRankEvents
{
    private int _inside;

    public ConcurrentDictionary<int, int> ProcessIds { get; } = new();

    public ConcurrentQueue<(int Rank, ProgressMessage Progress)> AllProgress { get; } = new();

    public ConcurrentQueue<(int Rank, CheckpointedMessage Checkpoint)> Checkpoints { get; } = new();

    public ConcurrentQueue<(int Rank, RankSampleMessage Sample)> Samples { get; } = new();

    public ConcurrentQueue<(int Rank, string Line)> Lines { get; } = new();

    public ConcurrentQueue<(int Rank, JoinedMessage Joined)> Joins { get; } = new();

    public Action<int>? OnStarted { get; init; }

    public Action<int>? OnJoined { get; init; }

    public Action<int>? OnProgress { get; init; }

    public void Started(int rank, int processId) => OneAtATime(() =>
    {
        ProcessIds[rank] = processId;
        OnStarted?.Invoke(rank);
    });

    public void Joined(int rank, JoinedMessage joined) => OneAtATime(() =>
    {
        Joins.Enqueue((rank, joined));
        OnJoined?.Invoke(rank);
    });

    public void Progress(int rank, ProgressMessage progress) => OneAtATime(() =>
    {
        AllProgress.Enqueue((rank, progress));
        OnProgress?.Invoke(rank);
    });

    public void Checkpointed(int rank, CheckpointedMessage checkpoint) => OneAtATime(() => Checkpoints.Enqueue((rank, checkpoint)));

    public void Sampled(int rank, RankSampleMessage sample) => OneAtATime(() => Samples.Enqueue((rank, sample)));

    public void LogLine(int rank, string line) => OneAtATime(() => Lines.Enqueue((rank, line)));

    private void OneAtATime(Action action)
    {
        Interlocked.Increment(ref _inside).ShouldBe(1);
        action();
        Interlocked.Decrement(ref _inside);
    }
}

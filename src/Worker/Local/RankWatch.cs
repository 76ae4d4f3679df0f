using Linformer.Worker.Agents;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>Looks for ranks of a local run that hang, and has them killed. Its own thread looks; messages come from others.</summary>
/// <param name="options">When a rank counts as hung.</param>
/// <param name="blame">Called with a rank that hangs and what it is to be killed for, as a predicate.</param>
internal sealed class RankWatch(WatchdogOptions options, Action<RankMember, string> blame) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<RankMember, Seen> _ranks = [];
    private HangWatch? _watch;

    /// <summary>Begins to look.</summary>
    public void Start()
    {
        _watch = new HangWatch(Look);
        _watch.Start();
    }

    /// <summary>A rank has started.</summary>
    public void Add(RankMember member)
    {
        lock (_gate)
        {
            _ranks.TryAdd(member, new Seen());
        }
    }

    /// <summary>A rank has told something.</summary>
    public void Told(RankMember member, RankMessage message)
    {
        lock (_gate)
        {
            _ranks.TryAdd(member, new Seen());
            var seen = _ranks[member];
            seen.Messages++;
            seen.Pulse = message as PulseMessage ?? seen.Pulse;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_watch is not null)
        {
            await _watch.DisposeAsync();
        }
    }

    private void Look(TimeSpan passed)
    {
        var hung = new List<(RankMember Member, string Blame)>();
        lock (_gate)
        {
            foreach (var (member, seen) in _ranks)
            {
                if (!seen.Blamed && member.State is { Phase: not MemberPhase.Ended } state && Look(seen, state, passed) is { } why)
                {
                    seen.Blamed = true;
                    hung.Add((member, why));
                }
            }
        }

        hung.ForEach(one => blame(one.Member, one.Blame));
    }

    private string? Look(Seen seen, MemberState state, TimeSpan passed)
    {
        var signs = new RankSigns(
            seen.Messages,
            seen.Pulse?.Activity ?? 0,
            seen.Pulse is { Waiting: true } || state.Phase == MemberPhase.Waiting,
            state.AppliedCount > 0,
            state.ToldToStop,
            state.IsLeaving,
            state.StepTime);
        (seen.State, var why) = Watchdog.Look(seen.State, signs, passed, options);
        return why;
    }

    private sealed class Seen
    {
        public long Messages { get; set; }

        public PulseMessage? Pulse { get; set; }

        public WatchState State { get; set; }

        public bool Blamed { get; set; }
    }
}

using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>Is told what a member does. Calls for one member come one at a time, except that its log has a thread of its own.</summary>
internal interface IMemberEvents
{
    /// <summary>A message has come, and the member's state is what follows from it.</summary>
    /// <exception cref="RankProtocolException">The member may not say that; it is ended.</exception>
    void Told(RankMember member, RankMessage message);

    /// <summary>The state has changed.</summary>
    /// <param name="member">The member.</param>
    /// <param name="news">Whether it is more than progress.</param>
    void Changed(RankMember member, bool news);

    /// <summary>The log has a further line.</summary>
    void LogLine(RankMember member, string line);
}

/// <summary>
/// A member of a job on this machine: its process, what is known of it, and its part in the rendezvous. It is told of generations,
/// each newer than the one before.
/// </summary>
internal sealed class RankMember : IDisposable
{
    private readonly GenerationRendezvous _rendezvous;
    private readonly IMemberEvents _events;
    private readonly RankProcess _process;
    private readonly Lock _gate = new();
    private MemberState _state = new();

    private RankMember(int number, RankLaunch launch, GenerationRendezvous rendezvous, IMemberEvents events, WarmRanks? warm)
    {
        (Number, _rendezvous, _events) = (number, rendezvous, events);
        _process = RankProcess.Start(launch, new RankCallbacks(Take, line => events.LogLine(this, line)), warm);
    }

    /// <summary>The member's number within the job.</summary>
    public int Number { get; }

    public int ProcessId => _process.ProcessId;

    public string LogPath => _process.LogPath;

    public IReadOnlyList<string> LastLogLines => _process.LastLogLines;

    public Exception? CallbackError => _process.CallbackError;

    /// <summary>Completes as soon as the process has ended.</summary>
    public Task<RankEnd> Ended { get; private set; } = null!;

    /// <summary>Completes once all that the process has left behind was passed on.</summary>
    public Task Closed => _process.Closed;

    /// <summary>What is known of it.</summary>
    public MemberState State
    {
        get
        {
            lock (_gate)
            {
                return _state;
            }
        }
    }

    /// <summary>Starts the process; <see cref="Supervise"/> is to follow.</summary>
    /// <exception cref="IOException">The log cannot be created.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The system refuses.</exception>
    public static RankMember Start(int number, RankLaunch launch, GenerationRendezvous rendezvous, IMemberEvents events, WarmRanks? warm = null)
    {
        var member = new RankMember(number, launch, rendezvous, events, warm);
        member._process.Send(member._process.WasWarm ? launch.Start with { LogPath = launch.LogPath } : launch.Start);
        return member;
    }

    /// <summary>Starts to listen to the process; events come from now on.</summary>
    public void Supervise()
    {
        _process.Supervise();
        Ended = EndAsync();
    }

    /// <summary>Tells it to be a rank of a generation, or with rank -1 of none. One that is not newer than the last is ignored.</summary>
    public void Tell(JoinMessage join)
    {
        bool news;
        lock (_gate)
        {
            if (join.Generation <= _state.ToldGeneration || _state.Phase == MemberPhase.Ended)
            {
                return;
            }

            news = Move(_state.Tell(join));
            _process.Send(join);
        }

        _events.Changed(this, news);
    }

    /// <summary>Tells it to write a checkpoint and end; a second time does nothing.</summary>
    public void Stop()
    {
        bool news;
        lock (_gate)
        {
            if (_state.ToldToStop || _state.Phase == MemberPhase.Ended)
            {
                return;
            }

            news = Move(_state.TellStop());
            _process.Send(new StopMessage());
        }

        _events.Changed(this, news);
    }

    /// <summary>Ends it at once.</summary>
    /// <param name="blame">What it is killed for, as a predicate; null when it is no longer needed, which is no failure.</param>
    public void Kill(string? blame = null) => _process.Kill(blame);

    public void Dispose() => _process.Dispose();

    private async Task<RankEnd> EndAsync()
    {
        var end = await _process.Ended;
        lock (_gate)
        {
            Move(_state.End());
        }

        return end;
    }

    private void Take(RankMessage message)
    {
        bool changed, news;
        lock (_gate)
        {
            var before = _state;
            // What a killed process has left in its pipe changes nothing any more.
            news = _state.Phase != MemberPhase.Ended && Move(_state.Take(message));
            changed = !ReferenceEquals(before, _state);
        }

        switch (message)
        {
            case RendezvousSetMessage set:
                CheckGeneration(set.Generation, set.Key);
                _rendezvous.Set(set.Generation, set.Key, set.Value);
                break;
            case RendezvousGetMessage get:
                CheckGeneration(get.Generation, get.Key);
                _rendezvous.Get(get.Generation, get.Key, value => _process.Send(new RendezvousValueMessage(get.Request, value)));
                break;
        }

        _events.Told(this, message);
        if (changed)
        {
            _events.Changed(this, news);
        }
    }

    private void CheckGeneration(int generation, string key)
    {
        if (generation > State.ToldGeneration)
        {
            throw new RankProtocolException($"used the rendezvous key '{key}' of generation {generation}, which it was not told to join");
        }
    }

    private bool Move(MemberState next)
    {
        var news = next.IsNewsAfter(_state);
        _state = next;
        return news;
    }
}

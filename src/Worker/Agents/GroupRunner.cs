using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Linformer.Protocol.Wire;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>What a job's members on this machine tell their agent.</summary>
internal interface IGroupObserver
{
    /// <summary>The group's status has changed.</summary>
    /// <param name="urgent">Whether it is more than progress.</param>
    void Changed(bool urgent);

    /// <summary>Something to record.</summary>
    void Record(V1.TelemetryItem item);

    /// <summary>A rank has set a value that other agents' ranks may wait for.</summary>
    void Published(V1.RendezvousValue value);
}

/// <summary>A job's members on this machine: told of generations, which they form with those of other agents.</summary>
internal sealed class GroupRunner : IMemberObserver
{
    private readonly WorkerAgentOptions _options;
    private readonly StorageWatch _storage;
    private readonly JobCounter _counter;
    private readonly WarmRanks _warm;
    private readonly IGroupObserver _observer;
    private readonly ILogger _logger;
    private readonly GenerationRendezvous _rendezvous = new();
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, MemberRunner> _members = [];
    private V1.RankGroup _assigned = new();

    public GroupRunner(string jobId, WorkerAgentOptions options, StorageWatch storage, JobCounter counter, WarmRanks warm, IGroupObserver observer, ILogger logger)
    {
        (JobId, _options, _storage, _counter, _warm, _observer) = (jobId, options, storage, counter, warm, observer);
        _logger = logger.ForContext(nameof(JobId), jobId);
    }

    public string JobId { get; }

    /// <summary>The members that are there, ended ones too.</summary>
    public IReadOnlyList<MemberRunner> Members
    {
        get
        {
            lock (_gate)
            {
                return [.. _members.Values];
            }
        }
    }

    /// <summary>Takes up what is assigned now; what is to be done with single members is called after that.</summary>
    public void Take(V1.RankGroup assigned)
    {
        lock (_gate)
        {
            _assigned = assigned;
        }

        _rendezvous.DropBefore(assigned.Plan?.Generation ?? 0);
    }

    /// <summary>Starts a member.</summary>
    /// <param name="number">Which.</param>
    /// <param name="after">When it completes; until then others are in the way.</param>
    public MemberRunner Start(int number, Task after)
    {
        var assigned = Assigned();
        var runner = Add(number, assigned);
        runner.Start(after, () => AssignmentReader.Read(assigned, number, _options));
        return runner;
    }

    /// <summary>A member ends before it has started.</summary>
    /// <param name="number">Which.</param>
    /// <param name="reason">Of a failure; null when it counts as stopped.</param>
    public void Skip(int number, string? reason) => Add(number, Assigned()).Skip(reason);

    /// <summary>Tells a member of the newest generation.</summary>
    public void Tell(int number)
    {
        var member = Member(number);
        try
        {
            member.Tell(AssignmentReader.Join(Assigned(), number));
        }
        catch (Data.BadDataException e)
        {
            member.Kill($"was told of a generation that is not possible: {e.Message}");
        }
    }

    /// <summary>Asks a member to write a checkpoint and end.</summary>
    public void Stop(int number) => Member(number).Stop();

    /// <summary>Ends a member at once.</summary>
    public void Kill(int number) => Member(number).Kill();

    /// <summary>An ended member is not reported any more.</summary>
    /// <returns>Whether none is left.</returns>
    public bool Forget(int number)
    {
        lock (_gate)
        {
            _members.Remove(number);
            return _members.Count == 0;
        }
    }

    /// <summary>Hands on a value that another agent's rank has set.</summary>
    public void GiveRendezvous(V1.RendezvousValue value)
    {
        try
        {
            _rendezvous.Set(value.Generation, value.Key, value.Value.ToByteArray());
        }
        catch (RankProtocolException e)
        {
            _logger.Error("A rank of another worker {Reason}", e.Message);
        }
    }

    /// <summary>What the members are doing.</summary>
    public V1.GroupStatus Status()
    {
        var status = new V1.GroupStatus { JobId = JobId };
        status.Members.AddRange(Members.Select(member => member.Status()));
        foreach (var member in status.Members)
        {
            member.Summary = Portable(member.Summary);
        }

        return status;
    }

    void IMemberObserver.Changed(bool urgent) => _observer.Changed(urgent);

    void IMemberObserver.Record(int member, V1.TelemetryItem item)
    {
        (item.JobId, item.Member) = (JobId, member);
        if (item.Sample is { } sample)
        {
            sample.Member = member;
        }

        _observer.Record(item);
    }

    void IMemberObserver.Published(MemberState state, RendezvousSetMessage value)
    {
        if (value.Value.Length > WireLimits.MaxRendezvousBytes)
        {
            throw new RankProtocolException($"set the rendezvous key '{value.Key}' to {value.Value.Length} bytes; allowed between workers are {WireLimits.MaxRendezvousBytes}");
        }

        if (state.Told(value.Generation) is { } join)
        {
            _observer.Published(new V1.RendezvousValue
            {
                JobId = JobId,
                Lineage = join.Lineage,
                Generation = join.Generation,
                Key = value.Key,
                Value = ByteString.CopyFrom(value.Value),
            });
        }
    }

    private V1.RankGroup Assigned()
    {
        lock (_gate)
        {
            return _assigned;
        }
    }

    private MemberRunner Member(int number)
    {
        lock (_gate)
        {
            return _members[number];
        }
    }

    private MemberRunner Add(int number, V1.RankGroup assigned)
    {
        var slot = assigned.Members.First(place => place.Member == number).Slot;
        var runner = new MemberRunner(new MemberKey(JobId, number), slot, _rendezvous, _options, _storage, _counter, _warm, this, _logger);
        lock (_gate)
        {
            _members.Add(number, runner);
        }

        return runner;
    }

    // The storage root is mounted elsewhere for others.
    private string Portable(string summary)
    {
        try
        {
            if (summary.Length > 0 && JsonNode.Parse(summary) is JsonObject fields && fields.ContainsKey("modelFolder"))
            {
                fields["modelFolder"] = Assigned().ModelFolder;
                return fields.ToJsonString();
            }
        }
        catch (JsonException)
        {
            // It is the rank's business what it says.
        }

        return summary;
    }
}

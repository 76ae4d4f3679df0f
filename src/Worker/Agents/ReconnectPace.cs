namespace Linformer.Worker.Agents;

/// <summary>
/// How long an agent waits from one try to connect to the next: longer each time, but never so long that it would not try several
/// times within its lease. A coordinator that has started again takes a worker for lost that has not come back by then.
/// </summary>
public sealed class ReconnectPace
{
    private const int TriesPerLease = 5;

    // How far a wait may be from the one that is meant, so that not all agents come at once.
    private const double Spread = 0.25;

    private static readonly TimeSpan First = TimeSpan.FromSeconds(0.2);
    private static readonly TimeSpan LongestOfOne = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestOfSeveral = TimeSpan.FromSeconds(0.5);

    private readonly TimeSpan _usual;
    private TimeSpan _longest;
    private TimeSpan _next = First;

    /// <summary>Begins with short waits.</summary>
    /// <param name="coordinators">How many coordinators are tried: of several, another may take over at any moment.</param>
    public ReconnectPace(int coordinators) => _usual = _longest = coordinators == 1 ? LongestOfOne : LongestOfSeveral;

    /// <summary>A coordinator has said after how long a silence it takes the agent for lost.</summary>
    /// <param name="lease">How long; zero if it has not.</param>
    public void TakeLease(TimeSpan lease) => _longest = lease > TimeSpan.Zero ? Shorter(lease / TriesPerLease, _usual) : _usual;

    /// <summary>A connection has lasted: the next wait is short again.</summary>
    public void Reset() => _next = First;

    /// <summary>The next wait.</summary>
    /// <param name="luck">Where in its spread it is, 0 to 1.</param>
    public TimeSpan Next(double luck)
    {
        var wait = Shorter(_next, _longest);
        _next = Shorter(_next * 2, _longest);
        return wait * (1 - Spread + (2 * Spread * luck));
    }

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;
}

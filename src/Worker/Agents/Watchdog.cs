using System.Globalization;

namespace Linformer.Worker.Agents;

/// <summary>When a rank counts as hung.</summary>
public sealed record WatchdogOptions
{
    /// <summary>How long a rank's process may give no sign of life. They come from a thread of their own, whatever a step takes.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the training thread may get no further, unless it waits for others, at least.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The same, in the longest of the usual times from one sign of getting further to the next.</summary>
    public double StallIntervals { get; init; } = 20;

    /// <summary>How long it may get no further before its first step, when nothing is known of what is usual.</summary>
    public TimeSpan Startup { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a process may take to end after its last word.</summary>
    public TimeSpan Farewell { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Who kills it, for people.</summary>
    public string Killer { get; init; } = "its worker";

    /// <summary>The same with another <see cref="Stall"/>, and <see cref="Startup"/> in proportion.</summary>
    /// <param name="stall">How long the training thread may get no further, unless it waits for others, at least.</param>
    public WatchdogOptions WithStall(TimeSpan stall) => this with { Stall = stall, Startup = stall * (Startup / Stall) };
}

/// <summary>What a rank has shown so far.</summary>
/// <param name="Messages">Messages of any kind that have come from it.</param>
/// <param name="Activity">Goes up whenever its training thread gets further.</param>
/// <param name="Waiting">Whether its training thread waits for others.</param>
/// <param name="Trained">Whether it has applied a step.</param>
/// <param name="Stopping">Whether it was asked to stop, which has a time limit of its own.</param>
/// <param name="Leaving">Whether it has said its last word.</param>
/// <param name="UsualStep">Its usual time for a step; 0 when it is not known.</param>
public readonly record struct RankSigns(
    long Messages, long Activity, bool Waiting, bool Trained, bool Stopping, bool Leaving, TimeSpan UsualStep);

/// <summary>What a watchdog remembers of a rank from one look to the next.</summary>
/// <param name="Last">What it has seen last.</param>
/// <param name="Silent">For how long no message has come.</param>
/// <param name="Idle">For how long the training thread got no further and waited for nobody.</param>
/// <param name="Longest">The longest of the usual times from one sign of getting further to the next.</param>
/// <param name="Leaving">The time since its last word.</param>
public readonly record struct WatchState(RankSigns Last, TimeSpan Silent, TimeSpan Idle, TimeSpan Longest, TimeSpan Leaving);

/// <summary>
/// Finds ranks that hang. It counts its own looks, not the clock's time: when the one who looks has stood still itself, that is not
/// taken for the rank's silence.
/// </summary>
public static class Watchdog
{
    // What is longest is forgotten slowly, so that one exception does not count for ever.
    private const double Forgetting = 0.99;

    /// <summary>One look at a rank.</summary>
    /// <param name="before">What was remembered after the look before.</param>
    /// <param name="signs">What the rank has shown so far.</param>
    /// <param name="passed">The time that counts as passed since the look before.</param>
    /// <param name="options">When a rank counts as hung.</param>
    /// <returns>What to remember, and what to kill the rank for, as a predicate; null when it seems well.</returns>
    public static (WatchState After, string? Blame) Look(WatchState before, RankSigns signs, TimeSpan passed, WatchdogOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var further = signs.Activity != before.Last.Activity;
        var moved = further || signs.Waiting || signs.Trained != before.Last.Trained;
        var interval = before.Idle + passed;
        var longest = further && signs.Trained && !signs.Waiting && !before.Last.Waiting
            ? Longer(interval, before.Longest * Forgetting)
            : before.Longest;
        var after = new WatchState(
            signs,
            signs.Messages != before.Last.Messages ? TimeSpan.Zero : before.Silent + passed,
            moved ? TimeSpan.Zero : interval,
            longest,
            signs.Leaving ? before.Leaving + passed : TimeSpan.Zero);
        return (after, Blame(after, options));
    }

    private static string? Blame(WatchState state, WatchdogOptions options)
    {
        var signs = state.Last;
        if (signs.Leaving)
        {
            return state.Leaving > options.Farewell ? $"did not end within {Seconds(state.Leaving)} s of its last word and was killed by {options.Killer}" : null;
        }

        if (signs.Messages == 0)
        {
            return state.Silent > options.Startup ? $"did not start within {Seconds(state.Silent)} s and was killed by {options.Killer}" : null;
        }

        if (state.Silent > options.Silence)
        {
            return $"did not respond for {Seconds(state.Silent)} s ({Usual(signs)}) and was killed by {options.Killer}";
        }

        var stall = signs.Trained ? Longer(options.Stall, state.Longest * options.StallIntervals) : options.Startup;
        return state.Idle > stall && !signs.Stopping
            ? $"got no further for {Seconds(state.Idle)} s ({Usual(signs)}) and was killed by {options.Killer}"
            : null;
    }

    private static string Usual(RankSigns signs) => signs.UsualStep.TotalSeconds switch
    {
        0 => "before its first step",
        < 1 => string.Create(CultureInfo.InvariantCulture, $"usual step {signs.UsualStep.TotalMilliseconds:0.#} ms"),
        var seconds => string.Create(CultureInfo.InvariantCulture, $"usual step {seconds:0.00} s"),
    };

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;
}

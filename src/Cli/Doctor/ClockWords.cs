namespace Linformer.Cli.Doctor;

/// <summary>Differences of clocks in words.</summary>
internal static class ClockWords
{
    /// <summary>"the server's is 3.2 s ahead of this machine's".</summary>
    /// <param name="ahead">How far the other clock is ahead.</param>
    /// <param name="whose">"the server's".</param>
    public static string Difference(TimeSpan ahead, string whose)
    {
        if (ahead == TimeSpan.Zero)
            return $"{whose} is this machine's, as far as can be told";
        var size = ahead.Duration();
        var amount = size.TotalSeconds < 1 ? $"{size.TotalMilliseconds:0} ms" : size.TotalMinutes < 2 ? $"{size.TotalSeconds:0.0} s" : $"{size.TotalMinutes:0} min";
        return $"{whose} is {amount} {(ahead < TimeSpan.Zero ? "behind" : "ahead of")} this machine's";
    }
}

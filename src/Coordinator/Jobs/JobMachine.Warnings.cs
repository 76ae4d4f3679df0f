using System.Text.RegularExpressions;

namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    private const int KeptWarnings = 20;
    private static readonly TimeSpan WarnedAgainAfter = TimeSpan.FromMinutes(10);

    /// <summary>
    /// A warning goes into the history; the same with other numbers in it, as each checkpoint gives that finds no room, only now and
    /// then. The log has them all.
    /// </summary>
    private static JobState Warn(JobState state, JobView view, JobWarned warned, DateTimeOffset now)
    {
        var kind = Digits().Replace(Cut(warned.Text, KeptReasonLength), "#");
        var recent = state.Warned.RemoveAll(one => now - one.At >= WarnedAgainAfter);
        if (recent.Any(one => one.Kind == kind) || recent.Length >= KeptWarnings)
            return state;
        return Change(
            state with { Warned = recent.Add(new WarnedKind(kind, now)) }, view, now, $"worker:{warned.Worker}", "warning", Cut(warned.Text, KeptReasonLength));
    }

    [GeneratedRegex("[0-9]+", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Digits();
}

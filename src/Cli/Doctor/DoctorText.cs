namespace Linformer.Cli.Doctor;

/// <summary>Findings for people: a heading for each subject, a line for each finding, and how to mend what is not well.</summary>
/// <param name="output">Where to.</param>
internal sealed class DoctorText(TextWriter output)
{
    private const int VerdictWidth = 8;
    private const int CheckWidth = 22;

    private string? _subject;

    /// <summary>The word for a verdict.</summary>
    public static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Ok => "ok",
        Verdict.Warning => "warning",
        _ => "problem",
    };

    /// <summary>Writes a finding.</summary>
    public void Show(Finding finding)
    {
        if (finding.Subject != _subject)
        {
            if (_subject is not null)
                output.WriteLine();
            output.WriteLine(finding.Subject);
            _subject = finding.Subject;
        }

        output.WriteLine($"  {Word(finding.Verdict).PadRight(VerdictWidth)} {finding.Check.PadRight(CheckWidth)} {Line(finding.Found)}");
        if (finding.Advice is { } advice)
            output.WriteLine($"  {new string(' ', VerdictWidth)} {new string(' ', CheckWidth)} → {Line(advice)}");
        output.Flush();
    }

    private static string Line(string text) => string.Join(' ', text.Split('\n', StringSplitOptions.TrimEntries));
}

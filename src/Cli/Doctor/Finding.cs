namespace Linformer.Cli.Doctor;

/// <summary>How good what was found is.</summary>
internal enum Verdict
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>It works, but less well than it could, or not for long.</summary>
    Warning,

    /// <summary>It does not work.</summary>
    Problem,
}

/// <summary>What a check has found.</summary>
/// <param name="Subject">What was checked: a machine, a folder, an address.</param>
/// <param name="Check">What of it.</param>
/// <param name="Verdict">How good that is.</param>
/// <param name="Found">What there is, with numbers and units.</param>
/// <param name="Advice">How to mend it; null where all is well.</param>
internal sealed record Finding(string Subject, string Check, Verdict Verdict, string Found, string? Advice = null);

/// <summary>Takes what a check finds. For any thread; what comes after the check's time is dropped.</summary>
/// <param name="subject">What is checked.</param>
/// <param name="report">Gets each finding.</param>
internal sealed class Findings(string subject, Action<Finding> report)
{
    private readonly Lock _lock = new();
    private bool _closed;

    /// <summary>All is well.</summary>
    public void Ok(string check, string found) => Add(new Finding(subject, check, Verdict.Ok, found));

    /// <summary>It works, but …</summary>
    public void Warn(string check, string found, string advice) => Add(new Finding(subject, check, Verdict.Warning, found, advice));

    /// <summary>It does not work.</summary>
    public void Problem(string check, string found, string advice) => Add(new Finding(subject, check, Verdict.Problem, found, advice));

    /// <summary>Well or not, as a condition says.</summary>
    public void Judge(bool isWell, string check, string found, Verdict otherwise, string advice) =>
        Add(new Finding(subject, check, isWell ? Verdict.Ok : otherwise, found, isWell ? null : advice));

    /// <summary>Takes nothing more.</summary>
    public void Close()
    {
        lock (_lock)
            _closed = true;
    }

    private void Add(Finding finding)
    {
        lock (_lock)
        {
            if (!_closed)
                report(finding);
        }
    }
}

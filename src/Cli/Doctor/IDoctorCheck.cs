namespace Linformer.Cli.Doctor;

/// <summary>A check of one thing. It may find several things, of which the first ones count even if it fails or hangs later.</summary>
internal interface IDoctorCheck
{
    /// <summary>What is checked, as a heading.</summary>
    string Subject { get; }

    /// <summary>What of it, for when the check itself fails.</summary>
    string Name { get; }

    /// <summary>How long it may take.</summary>
    TimeSpan Timeout { get; }

    /// <summary>Checks. May block: it has a thread of its own.</summary>
    /// <param name="findings">Takes what is found.</param>
    /// <param name="cancellation">Its time is over.</param>
    Task RunAsync(Findings findings, CancellationToken cancellation);
}

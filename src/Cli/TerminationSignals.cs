using System.Runtime.InteropServices;

namespace Linformer.Cli;

/// <summary>
/// The first Ctrl-C (or SIGTERM) asks the command to end well; a second one ends the process at once.
/// </summary>
internal sealed class TerminationSignals : IDisposable
{
    // Never disposed: a signal may be on its way while the command ends.
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Starts to listen.</summary>
    public TerminationSignals() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Handle(signal, ExitCodes.Cancelled)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Handle(signal, 128 + 15)),
    ];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The exit code that tells of the signal.</summary>
    public int ExitCode { get; private set; } = ExitCodes.Cancelled;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
    }

    private void Handle(PosixSignalContext signal, int exitCode)
    {
        if (_source.IsCancellationRequested)
            return;
        signal.Cancel = true;
        ExitCode = exitCode;
        // What is told of it runs elsewhere: an exception of theirs on this thread would end the process.
        _ = _source.CancelAsync();
    }
}

namespace Linformer.Cli.Doctor;

/// <summary>Runs checks one after the other, so that none disturbs what another measures. None ends the others.</summary>
/// <param name="checks">The checks.</param>
/// <param name="show">Is shown each finding at once.</param>
internal sealed class DoctorRun(IReadOnlyList<IDoctorCheck> checks, Action<Finding> show)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private readonly List<Finding> _all = [];

    /// <summary>Runs all.</summary>
    /// <param name="cancellation">Ends the run.</param>
    /// <returns>All that was found, in order.</returns>
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellation)
    {
        foreach (var check in checks)
            await RunAsync(check, cancellation);
        return _all;
    }

    private async Task RunAsync(IDoctorCheck check, CancellationToken cancellation)
    {
        var findings = new Findings(check.Subject, Take);
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        time.CancelAfter(check.Timeout);
        try
        {
            // A thread that hangs in a system call, as on a share whose server is gone, is left behind.
            var running = Task.Factory.StartNew(
                () => check.RunAsync(findings, time.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
            await running.WaitAsync(check.Timeout + Grace, cancellation);
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation);
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            findings.Problem(check.Name, $"has not come to an end within {check.Timeout.TotalSeconds:0} s", "Something there hangs: a network or a share whose server does not answer, or a driver.");
        }
        catch (Exception error)
        {
            findings.Problem(check.Name, $"could not be checked: {error.Message}", "The message says what stands in the way.");
        }
        finally
        {
            findings.Close();
        }
    }

    private void Take(Finding finding)
    {
        _all.Add(finding);
        show(finding);
    }
}

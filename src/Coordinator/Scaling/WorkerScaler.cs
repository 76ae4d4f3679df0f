using Linformer.Coordinator.Access;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Serilog;

namespace Linformer.Coordinator.Scaling;

/// <summary>
/// Keeps the StatefulSet of workers as large as jobs need: looks every few seconds, and at once when somebody else has changed it. While
/// Kubernetes cannot be asked, all stays as it is.
/// </summary>
internal sealed class WorkerScaler : HostedLoop
{
    private const int Tries = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    private readonly ScalingOptions _options;
    private readonly IGrainFactory _grains;
    private readonly IJobStore _jobs;
    private readonly IRosterStore _roster;
    private readonly AuditLog _audit;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ScalingReader _reader;
    private readonly KubernetesClient _client;
    private readonly ScaleWatch _watch;
    private readonly BackOff _backOff;
    private readonly SemaphoreSlim _changed = new(0, 1);
    private string _complaint = "";

    /// <summary>Finds the API server and the account; connects later.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="KubernetesException">This is no pod with a service account.</exception>
    public WorkerScaler(CoordinatorOptions options, IGrainFactory grains, IJobStore jobs, IRosterStore roster, AuditLog audit, TimeProvider time, ILogger logger)
    {
        _options = options.Scaling ?? throw new ArgumentException("Scaling is not set.", nameof(options));
        (_grains, _jobs, _roster, _audit, _time, _logger) = (grains, jobs, roster, audit, time, logger);
        var account = KubernetesAccount.Load(_options, Environment.GetEnvironmentVariable, what => logger.Information("{What:l}", what));
        _reader = new ScalingReader(_options, time);
        _client = new KubernetesClient(account, _options.StatefulSet);
        _backOff = new BackOff(FirstPause, LongestPause, time);
        _watch = new ScaleWatch(_client, Wake, logger, new BackOff(FirstPause, LongestPause, time));
    }

    public override void Dispose()
    {
        _client.Dispose();
        _changed.Dispose();
        base.Dispose();
    }

    protected override Task LoopAsync(CancellationToken stoppingToken)
    {
        _logger.Information("StatefulSet {StatefulSet:l} is scaled from {Minimum} to {Maximum} workers", _options.StatefulSet, _options.Minimum, _options.Maximum);
        return Task.WhenAll(_watch.RunAsync(stoppingToken), ScaleAsync(stoppingToken));
    }

    private async Task ScaleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await PassAsync(cancellationToken);
                if (_complaint.Length > 0)
                    _logger.Information("StatefulSet {StatefulSet:l} can be scaled again", _options.StatefulSet);
                _complaint = "";
                _backOff.Reset();
                await _changed.WaitAsync(_options.Interval, cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                Complain(exception);
                await _backOff.WaitAsync((exception as KubernetesException)?.RetryAfter, cancellationToken);
            }
        }
    }

    private async Task PassAsync(CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            var scale = _watch.Newest ?? await _client.ReadAsync(cancellationToken);
            // Those that cannot be read fail the pass: what they hold is not known.
            var jobs = await JobsAsync(cancellationToken);
            var workers = await WorkersAsync(cancellationToken);
            var decision = ScalingDecision.Decide(_reader.Read(scale.Replicas, jobs, workers));
            await DrainAsync(workers, decision.Mark.Select(Name), $"{ScalingReader.Mark} ({decision.Reason})", cancellationToken);
            await DrainAsync(workers, decision.Unmark.Select(Name).Concat(_reader.MarkedInVain(decision.Replicas, workers)), "", cancellationToken);
            if (decision.Replicas == scale.Replicas)
                return;
            try
            {
                await _client.ChangeAsync(decision.Replicas, scale.Version, cancellationToken);
                _logger.Information(
                    "StatefulSet {StatefulSet:l} goes from {Before} to {Replicas} workers: {Reason:l}", _options.StatefulSet, scale.Replicas, decision.Replicas, decision.Reason);
                _watch.Forget();
                await _audit.WriteOwnAsync("scale", $"StatefulSet {_options.StatefulSet}", $"from {scale.Replicas} to {decision.Replicas} workers: {decision.Reason}");
                return;
            }
            catch (KubernetesException exception) when (exception.IsConflict && tries < Tries)
            {
                // Somebody else has changed it: decided anew from how it is now.
                _watch.Forget();
            }
        }
    }

    private string Name(int ordinal) => $"{_options.StatefulSet}-{ordinal}";

    private async Task<IReadOnlyCollection<JobView>> JobsAsync(CancellationToken cancellationToken)
    {
        var unfinished = await _jobs.UnfinishedAsync(cancellationToken);
        var views = await Task.WhenAll(unfinished.Select(job => _grains.GetGrain<IJobGrain>(job.JobId).Get(cancellationToken)));
        return [.. views.OfType<JobView>()];
    }

    private async Task<IReadOnlyCollection<WorkerView>> WorkersAsync(CancellationToken cancellationToken)
    {
        var names = await _roster.WorkersAsync(cancellationToken);
        var views = await Task.WhenAll(names.Select(name => _grains.GetGrain<IWorkerGrain>(name).Get(cancellationToken)));
        return [.. views.OfType<WorkerView>()];
    }

    // Whom a person has drained meanwhile, or taken back, is left to that person; the next pass sees it.
    private async Task DrainAsync(IReadOnlyCollection<WorkerView> seen, IEnumerable<string> workers, string why, CancellationToken cancellationToken)
    {
        foreach (var worker in seen.IntersectBy(workers, worker => worker.Identity.Name))
            await _grains.GetGrain<IWorkerGrain>(worker.Identity.Name).ChangeDrain(worker.Drained, why, cancellationToken);
    }

    // Once for each reason: a missing right is not mended by saying so every minute.
    private void Complain(Exception exception)
    {
        if (exception.Message == _complaint)
            return;
        _complaint = exception.Message;
        if (exception is KubernetesException or StorageException)
            _logger.Warning("Workers are not scaled now: {Reason:l}", exception.Message);
        else
            _logger.Error(exception, "Workers are not scaled now");
    }

    private void Wake()
    {
        if (_changed.CurrentCount > 0)
            return;
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // Woken already.
        }
    }
}

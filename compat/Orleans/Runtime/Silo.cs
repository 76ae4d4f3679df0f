using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Orleans.Runtime;

/// <summary>Says that a kind of clustering was chosen; a silo without one does not start.</summary>
internal sealed class ClusteringMarker;

/// <summary>The one silo of this process: its grain classes, its activations, and the sending of requests.</summary>
internal sealed partial class Silo(
    IServiceProvider services,
    IOptions<SiloMessagingOptions> messaging,
    IOptions<GrainCollectionOptions> collection,
    IOptions<ClusterOptions> cluster,
    IOptions<EndpointOptions> endpoint,
    ILogger<Silo> logger) : IHostedService
{
    private const int MaxForwards = 2;
    private readonly ConcurrentDictionary<GrainId, Activation> _activations = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Request, bool> _open = new();
    private Task _collecting = Task.CompletedTask;
    private volatile bool _started;

    public IServiceProvider Services => services;

    public GrainCollectionOptions Collection => collection.Value;

    public GrainClasses Classes { get; } = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Validate();
        _started = true;
        _collecting = CollectAsync();
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _collecting;
        while (!_activations.IsEmpty && !cancellationToken.IsCancellationRequested)
        {
            var reason = new DeactivationReason(DeactivationReasonCode.ShuttingDown, "This process is terminating.");
            var ended = new List<Task>();
            foreach (var activation in _activations.Values)
            {
                activation.Deactivate(reason, cancellationToken);
                ended.Add(activation.Deactivated);
            }

            await Task.WhenAll(ended).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var request in _open.Keys)
        {
            request.Fail(ShuttingDown());
        }
    }

    public object CreateReference(Type interfaceType, GrainId id) => GrainProxy.Create(this, interfaceType, id);

    public Request Call(GrainMethod method, GrainId target, object?[] arguments)
    {
        if (!_started)
        {
            throw new InvalidOperationException(
                $"{target} was called before the silo has started: a hosted service that calls grains is registered after UseOrleans.");
        }

        var caller = method.GetToken(arguments);
        caller.ThrowIfCancellationRequested();
        var request = new Request
        {
            Invoke = method.Bind(method.CopyArguments(arguments)),
            Interleaves = method.AlwaysInterleaves,
        };
        if (_stopping.IsCancellationRequested && Activation.Current is null)
        {
            request.Fail(ShuttingDown());
            return request;
        }

        _open[request] = true;
        _ = request.Completion.ContinueWith(
            _ => _open.TryRemove(request, out var _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        var timeout = method.ResponseTimeout ?? messaging.Value.ResponseTimeout;
        request.Watch(
            timeout, messaging.Value.DropExpiredMessages, messaging.Value.CancelRequestOnTimeout, $"{target} {method.Name}", caller);
        Send(request, target);
        return request;
    }

    public void Forward(Request request, GrainId target)
    {
        if (request.Completion.IsCompleted)
        {
            return;
        }

        if (++request.Forwarded > MaxForwards)
        {
            request.Fail(new OrleansMessageRejectionException(
                $"Forwarding failed: {target} was deactivated {request.Forwarded} times before it came to the request."));
            return;
        }

        Send(request, target);
    }

    public void Remove(Activation activation) =>
        _activations.TryRemove(new KeyValuePair<GrainId, Activation>(activation.GrainId, activation));

    [LoggerMessage(Level = LogLevel.Error, Message = "Failed to activate grain {GrainId}")]
    public partial void LogActivationFailed(Exception exception, GrainId grainId);

    [LoggerMessage(Level = LogLevel.Error, Message = "Error deactivating grain {GrainId}")]
    public partial void LogDeactivationFailed(Exception exception, GrainId grainId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Deactivating {GrainId} due to inconsistent state")]
    public partial void LogInconsistentState(Exception exception, GrainId grainId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caught and ignored exception thrown from timer callback of {GrainId}")]
    public partial void LogTimerFailed(Exception exception, GrainId grainId);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Message}")]
    public partial void LogStorageError(Exception exception, string message);

    private static SiloUnavailableException ShuttingDown() =>
        new("The local Orleans host is shutting down and can no longer process the request.");

    private void Send(Request request, GrainId target)
    {
        while (true)
        {
            if (_activations.TryGetValue(target, out var activation))
            {
                if (activation.TryEnqueue(request))
                {
                    return;
                }

                Remove(activation);
                continue;
            }

            if (_stopping.IsCancellationRequested)
            {
                request.Fail(ShuttingDown());
                return;
            }

            var created = new Activation(this, Classes.Get(target.Type), target);
            if (_activations.TryAdd(target, created))
            {
                created.TryEnqueue(request);
                created.Start();
                return;
            }
        }
    }

    private async Task CollectAsync()
    {
        using var timer = new PeriodicTimer(Collection.CollectionQuantum);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                foreach (var activation in _activations.Values)
                {
                    activation.DeactivateIfIdle();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The silo stops.
        }
    }

    private void Validate()
    {
        if (services.GetService<ClusteringMarker>() is null)
        {
            throw new InvalidOperationException("Clustering has not been configured: call UseLocalhostClustering.");
        }

        Require(!string.IsNullOrWhiteSpace(cluster.Value.ClusterId), "A non-empty value for ClusterOptions.ClusterId is required.");
        Require(!string.IsNullOrWhiteSpace(cluster.Value.ServiceId), "A non-empty value for ClusterOptions.ServiceId is required.");
        Require(endpoint.Value.SiloPort != 0, "EndpointOptions.SiloPort is 0; a port must be named.");
        Require(Collection.CollectionQuantum > TimeSpan.Zero, $"CollectionQuantum is set to {Collection.CollectionQuantum}. It must be greater than 0.");
        foreach (var (name, age) in Collection.ClassSpecificCollectionAge.Append(new("CollectionAge", Collection.CollectionAge)))
        {
            Require(age > Collection.CollectionQuantum, $"{name} is set to {age}. It must be greater than CollectionQuantum, which is set to {Collection.CollectionQuantum}.");
        }

        static void Require(bool condition, string message)
        {
            if (!condition)
            {
                throw new OrleansConfigurationException(message);
            }
        }
    }
}

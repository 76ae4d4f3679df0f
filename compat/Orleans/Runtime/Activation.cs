using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Storage;

namespace Orleans.Runtime;

/// <summary>
/// One grain in memory: its queue of requests and the loop that runs them in turns, from activation to deactivation.
/// </summary>
internal sealed class Activation : IGrainContext
{
    [ThreadStatic]
    private static Activation? s_current;

    private readonly Lock _gate = new();
    private readonly List<Request> _waiting = [];
    private readonly HashSet<Request> _running = [];
    private readonly HashSet<GrainTimer> _timers = [];
    private readonly List<IActivationState> _states = [];
    private readonly SemaphoreSlim _signal = new(0);
    private readonly TaskCompletionSource _deactivated = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly GrainClass _class;
    private readonly AsyncServiceScope _scope;
    private readonly ActivationScheduler _scheduler;
    private Request? _blocking;
    private DeactivationReason _reason;
    private CancellationToken _deactivationToken;
    private State _state = State.Activating;
    private bool _wasValid;
    private long _idleSince = Environment.TickCount64;
    private DateTime _keepAliveUntil = DateTime.MinValue;

    public Activation(Silo silo, GrainClass grainClass, GrainId id)
    {
        Silo = silo;
        GrainId = id;
        _class = grainClass;
        _scope = silo.Services.CreateAsyncScope();
        _scheduler = new ActivationScheduler(this);
    }

    private enum State
    {
        Activating,
        Valid,
        Deactivating,
        Invalid,
    }

    /// <summary>The activation whose turn this thread is running.</summary>
    public static Activation? Current
    {
        get => s_current;
        set => s_current = value;
    }

    public Silo Silo { get; }

    public GrainId GrainId { get; }

    public object? GrainInstance { get; private set; }

    public IServiceProvider ActivationServices => _scope.ServiceProvider;

    public Task Deactivated => _deactivated.Task;

    private GrainCollectionOptions Collection => Silo.Collection;

    public static void CheckCurrent()
    {
        if (Current is null)
        {
            throw new InvalidOperationException(
                "Activation access violation. A non-activation thread attempted to access activation services.");
        }

        if (Current._state == State.Invalid)
        {
            throw new InvalidOperationException($"Attempt to access an invalid activation: {Current.GrainId}");
        }
    }

    public void Start()
    {
        // Neither the first caller's async locals nor its scheduler belong to the grain.
        using (ExecutionContext.SuppressFlow())
        {
            _ = Task.Factory.StartNew(RunAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _scheduler);
        }
    }

    public bool TryEnqueue(Request request)
    {
        lock (_gate)
        {
            if (_state == State.Invalid)
            {
                return false;
            }

            request.Activation = this;
            _waiting.Add(request);
        }

        if (request.CallerHasCancelled)
        {
            Cancel(request);
        }

        _signal.Release();
        return true;
    }

    public void Cancel(Request request)
    {
        lock (_gate)
        {
            if (_waiting.Remove(request))
            {
                return;
            }
        }

        _ = Task.Factory.StartNew(request.CancelCallee, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _scheduler);
    }

    public void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (_state is State.Deactivating or State.Invalid)
            {
                return;
            }

            _wasValid = _state == State.Valid;
            _state = State.Deactivating;
            _reason = deactivationReason;
            _deactivationToken = cancellationToken;
        }

        _signal.Release();
    }

    public void DelayDeactivation(TimeSpan timeSpan)
    {
        lock (_gate)
        {
            _keepAliveUntil = timeSpan == TimeSpan.MaxValue || timeSpan == Timeout.InfiniteTimeSpan ? DateTime.MaxValue
                : timeSpan <= TimeSpan.Zero ? DateTime.MinValue
                : DateTime.UtcNow + timeSpan;
        }
    }

    public void DeactivateIfIdle()
    {
        if (_class.KeepAlive)
        {
            return;
        }

        var age = Collection.ClassSpecificCollectionAge.GetValueOrDefault(_class.Class.FullName!, Collection.CollectionAge);
        lock (_gate)
        {
            var idle = _state == State.Valid && _running.Count == 0 && _waiting.Count == 0
                && DateTime.UtcNow >= _keepAliveUntil
                && Environment.TickCount64 - _idleSince >= age.TotalMilliseconds;
            if (!idle)
            {
                return;
            }
        }

        Deactivate(new(DeactivationReasonCode.ActivationIdle, "Activation has been idle for its collection age."));
    }

    public void Add(GrainTimer timer)
    {
        lock (_gate)
        {
            _timers.Add(timer);
        }
    }

    public void Remove(GrainTimer timer)
    {
        lock (_gate)
        {
            _timers.Remove(timer);
        }
    }

    /// <summary>Makes the value of a constructor parameter that has [PersistentState].</summary>
    public object CreateState(Type stateType, string stateName, string? storageName)
    {
        var storage = string.IsNullOrWhiteSpace(storageName)
            ? ActivationServices.GetService<IGrainStorage>()
            : ActivationServices.GetKeyedService<IGrainStorage>(storageName);
        if (storage is null)
        {
            var which = string.IsNullOrEmpty(storageName) ? "default storage provider" : $"storage provider named \"{storageName}\"";
            // The real package gets here by reflection.
            throw new TargetInvocationException(new BadProviderConfigException($"No {which} found loading grain type {GrainId.Type}."));
        }

        var state = Activator.CreateInstance(typeof(PersistentState<>).MakeGenericType(stateType), stateName, this, storage)!;
        _states.Add((IActivationState)state);
        return state;
    }

    private async Task RunAsync()
    {
        await ActivateAsync();
        while (!await TryFinishAsync())
        {
            StartRequests();
            await _signal.WaitAsync();
        }
    }

    private async Task ActivateAsync()
    {
        using var timeout = new CancellationTokenSource(Collection.ActivationTimeout);
        try
        {
            GrainInstance = _class.Create(this);
            await Task.WhenAll(_states.Select(state => state.LoadAsync())).WaitAsync(timeout.Token);
            await ((IGrainBase)GrainInstance).OnActivateAsync(timeout.Token).WaitAsync(timeout.Token);
            lock (_gate)
            {
                if (_state == State.Activating)
                {
                    _state = State.Valid;
                    _idleSince = Environment.TickCount64;
                }
            }
        }
        catch (Exception exception)
        {
            Silo.LogActivationFailed(exception, GrainId);
            Deactivate(new(DeactivationReasonCode.ActivationFailed, exception, "Failed to activate grain."));
        }
    }

    private void StartRequests()
    {
        for (var i = 0; ;)
        {
            Request request;
            lock (_gate)
            {
                if (i >= _waiting.Count)
                {
                    return;
                }

                request = _waiting[i];
                if (_state != State.Valid && !(request.IsTimerTick && _state == State.Deactivating))
                {
                    return;
                }

                var mayRun = _running.Count == 0 || request.Interleaves || _blocking is null;
                if (!mayRun)
                {
                    i++;
                    continue;
                }

                _waiting.RemoveAt(i);
                _running.Add(request);
                if (!request.Interleaves)
                {
                    _blocking ??= request;
                }
            }

            _ = RunAsync(request);
        }
    }

    private async Task RunAsync(Request request)
    {
        try
        {
            if (!request.IsExpired)
            {
                request.Complete(await request.Invoke(GrainInstance!, request.CalleeToken));
            }
        }
        catch (Exception exception)
        {
            if (exception is InconsistentStateException { IsSourceActivation: true } inconsistent)
            {
                inconsistent.IsSourceActivation = false;
                Silo.LogInconsistentState(exception, GrainId);
                Deactivate(new(DeactivationReasonCode.ApplicationError, exception.ToString()));
            }

            request.Fail(exception);
        }
        finally
        {
            lock (_gate)
            {
                _running.Remove(request);
                if (request.KeepsAlive)
                {
                    _idleSince = Environment.TickCount64;
                }

                if (_blocking == request)
                {
                    _blocking = null;
                }
            }

            _signal.Release();
        }
    }

    /// <summary>Ends the activation once it is deactivating and its last request is done.</summary>
    private async Task<bool> TryFinishAsync()
    {
        lock (_gate)
        {
            if (_state != State.Deactivating || _running.Count > 0)
            {
                return false;
            }
        }

        GrainTimer[] timers;
        lock (_gate)
        {
            timers = [.. _timers];
        }

        foreach (var timer in timers)
        {
            timer.Dispose();
        }

        await CallOnDeactivateAsync();
        Request[] left;
        lock (_gate)
        {
            _state = State.Invalid;
            left = [.. _waiting];
            _waiting.Clear();
        }

        Silo.Remove(this);
        await DisposeInstanceAsync();
        foreach (var request in left.Where(request => !request.IsTimerTick))
        {
            if (_reason.Exception is { } exception)
            {
                request.Fail(exception);
            }
            else
            {
                Silo.Forward(request, GrainId);
            }
        }

        _deactivated.TrySetResult();
        return true;
    }

    private async Task CallOnDeactivateAsync()
    {
        if (!_wasValid)
        {
            return;
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_deactivationToken);
        timeout.CancelAfter(Collection.DeactivationTimeout);
        try
        {
            await ((IGrainBase)GrainInstance!).OnDeactivateAsync(_reason, timeout.Token).WaitAsync(timeout.Token);
        }
        catch (Exception exception)
        {
            Silo.LogDeactivationFailed(exception, GrainId);
        }
    }

    private async Task DisposeInstanceAsync()
    {
        try
        {
            switch (GrainInstance)
            {
                case IAsyncDisposable disposable:
                    await disposable.DisposeAsync();
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }

            await _scope.DisposeAsync();
        }
        catch (Exception exception)
        {
            Silo.LogDeactivationFailed(exception, GrainId);
        }
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using Orleans.Serialization;
using Orleans.Storage;

namespace Orleans.Runtime;

/// <summary>A grain's named state. Operations run one after the other; writes that wait are merged into one.</summary>
internal sealed class PersistentState<TState>(string name, Activation activation, IGrainStorage storage)
    : IPersistentState<TState>, IActivationState
{
    private GrainState<TState>? _grainState;
    private Operation? _tail;
    private bool _loaded;

    private enum Kind
    {
        Read,
        Write,
        Clear,
    }

    public TState State
    {
        get
        {
            Activation.CheckCurrent();
            return _grainState is { } state ? state.State! : default!;
        }

        set
        {
            Activation.CheckCurrent();
            Held.State = value;
        }
    }

    public string? Etag => _grainState?.ETag;

    public bool RecordExists => _loaded ? Held.RecordExists : throw new InvalidOperationException("State has not yet been loaded");

    private GrainState<TState> Held => _grainState ??= new GrainState<TState>((TState)Copier.CreateInstance(typeof(TState)));

    public Task ReadStateAsync() => ReadStateAsync(CancellationToken.None);

    public Task WriteStateAsync() => WriteStateAsync(CancellationToken.None);

    public Task ClearStateAsync() => ClearStateAsync(CancellationToken.None);

    public Task ReadStateAsync(CancellationToken cancellationToken) => Enqueue(Kind.Read, cancellationToken);

    public Task WriteStateAsync(CancellationToken cancellationToken) => Enqueue(Kind.Write, cancellationToken);

    public Task ClearStateAsync(CancellationToken cancellationToken) => Enqueue(Kind.Clear, cancellationToken);

    Task IActivationState.LoadAsync() => ReadStateAsync();

    private Task Enqueue(Kind kind, CancellationToken cancellationToken)
    {
        Activation.CheckCurrent();
        var mergeable = kind != Kind.Read && !cancellationToken.CanBeCanceled
            && _tail is { Started: false, Token.CanBeCanceled: false } tail && tail.Kind == kind;
        if (mergeable)
        {
            return _tail!.Completion;
        }

        var operation = new Operation(kind, cancellationToken);
        operation.Completion = RunAsync(operation, _tail);
        _tail = operation;
        return operation.Completion;
    }

    private async Task RunAsync(Operation operation, Operation? predecessor)
    {
        // Starting only after a yield lets the writes of one turn merge.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding | ConfigureAwaitOptions.ContinueOnCapturedContext);
        try
        {
            if (predecessor is not null)
            {
                await predecessor.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            }

            Activation.CheckCurrent();
            operation.Started = true;
            var done = predecessor?.Completion.IsCompletedSuccessfully == true
                && (operation.Kind == Kind.Read || (operation.Kind == Kind.Clear && predecessor.Kind == Kind.Clear));
            if (!done)
            {
                await RunAsync(operation.Kind, operation.Token);
            }

            _loaded |= operation.Kind == Kind.Read;
        }
        finally
        {
            if (ReferenceEquals(_tail, operation))
            {
                _tail = null;
            }
        }
    }

    private async Task RunAsync(Kind kind, CancellationToken cancellationToken)
    {
        try
        {
            await (kind switch
            {
                Kind.Read => storage.ReadStateAsync(name, activation.GrainId, Held, cancellationToken),
                Kind.Write => storage.WriteStateAsync(name, activation.GrainId, Held, cancellationToken),
                _ => storage.ClearStateAsync(name, activation.GrainId, Held, cancellationToken),
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            Throw(exception, kind);
        }
    }

    [DoesNotReturn]
    private void Throw(Exception exception, Kind kind)
    {
        var message = $"Error from storage provider {storage.GetType().Name}.{name} during {kind}StateAsync for grain {activation.GrainId}";
        activation.Silo.LogStorageError(exception, message);
        if (exception is not OrleansException)
        {
            throw new OrleansException($"{message}{Environment.NewLine} {exception}", exception);
        }

        ExceptionDispatchInfo.Throw(exception);
    }

    private sealed class Operation(Kind kind, CancellationToken token)
    {
        public Kind Kind { get; } = kind;

        public CancellationToken Token { get; } = token;

        public bool Started { get; set; }

        public Task Completion { get; set; } = Task.CompletedTask;
    }
}

/// <summary>What an activation reads before OnActivateAsync.</summary>
internal interface IActivationState
{
    Task LoadAsync();
}

namespace TorchSharp;

/// <summary>The dispose scopes of one thread, nested, and what was counted on that thread.</summary>
public class DisposeScopeManager
{
    [ThreadStatic]
    private static DisposeScopeManager? _ofThread;

    public static ThreadDisposeScopeStatistics Statistics => OfThread.Counts;

    internal static DisposeScopeManager OfThread => _ofThread ??= new DisposeScopeManager();

    internal ThreadDisposeScopeStatistics Counts { get; } = new();

    internal DisposeScope? CurrentDisposeScope { get; private set; }

    internal DisposeScope NewDisposeScope() => CurrentDisposeScope = new DisposeScope(this);

    /// <summary>Returns the scope that owns the new tensor, if there is one.</summary>
    internal DisposeScope? Created(torch.Tensor tensor)
    {
        if (CurrentDisposeScope is null)
        {
            Counts.TensorStatistics.CreatedOutsideScopeCount++;
            return null;
        }
        Counts.TensorStatistics.CreatedInScopeCount++;
        CurrentDisposeScope.Disposables.Add(tensor);
        return CurrentDisposeScope;
    }

    internal void Disposing(torch.Tensor tensor)
    {
        if (tensor.OwningDisposeScope is null)
        {
            Counts.TensorStatistics.DisposedOutsideScopeCount++;
        }
        else
        {
            Counts.TensorStatistics.DisposedInScopeCount++;
        }
    }

    /// <summary>Takes a scope out of the nesting, wherever it is in it.</summary>
    internal void Remove(DisposeScope scope)
    {
        if (CurrentDisposeScope == scope)
        {
            CurrentDisposeScope = scope.OuterScope;
            return;
        }
        for (var inner = CurrentDisposeScope; inner is not null; inner = inner.OuterScope)
        {
            if (inner.OuterScope == scope)
            {
                inner.OuterScope = scope.OuterScope;
                return;
            }
        }
    }
}

using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Orleans;

public abstract class Grain : IGrainBase, IAddressable
{
    protected Grain()
    {
        GrainContext = Activation.Current;
    }

    [AllowNull]
    public IGrainContext GrainContext { get; private set; }

    public string IdentityString => GrainContext.GrainId.ToString();

    protected IGrainFactory GrainFactory
    {
        get
        {
            Activation.CheckCurrent();
            return ServiceProvider.GetRequiredService<IGrainFactory>();
        }
    }

    protected internal IServiceProvider ServiceProvider => Running.ActivationServices;

    internal Activation Running => GrainContext as Activation
        ?? throw new InvalidOperationException("Grain was created outside of the Orleans creation process and no runtime was specified.");

    public virtual Task OnActivateAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public virtual Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => Task.CompletedTask;

    protected void DeactivateOnIdle() => ((IGrainBase)this).DeactivateOnIdle();

    protected void DelayDeactivation(TimeSpan timeSpan)
    {
        Activation.CheckCurrent();
        Running.DelayDeactivation(timeSpan);
    }
}

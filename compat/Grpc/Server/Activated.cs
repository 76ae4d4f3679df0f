using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server;

/// <summary>An object for one call: the services' own, or else made here, and then disposed of here.</summary>
internal readonly struct Activated<T> : IAsyncDisposable
    where T : class
{
    private readonly bool _made;

    private Activated(T instance, bool made)
    {
        Instance = instance;
        _made = made;
    }

    public T Instance { get; }

    public static Activated<T> From(IServiceProvider services, Type type, object[] arguments)
    {
        var own = arguments.Length == 0 ? services.GetService(type) : null;
        return own == null
            ? new Activated<T>((T)ActivatorUtilities.CreateInstance(services, type, arguments), made: true)
            : new Activated<T>((T)own, made: false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_made && Instance is IAsyncDisposable asynchronous)
        {
            await asynchronous.DisposeAsync();
        }
        else if (_made && Instance is IDisposable disposable)
        {
            disposable.Dispose();
        }
    }
}

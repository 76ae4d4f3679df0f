using System.Reflection;

namespace Orleans.Runtime;

/// <summary>What GetGrain returns: an implementation of the grain's interface that sends each call to the silo.</summary>
#pragma warning disable CA1852 // DispatchProxy derives from it at run time.
internal class GrainProxy : DispatchProxy, IAddressable
{
    private GrainInterface _interface = null!;

    public Silo Silo { get; private set; } = null!;

    public GrainId GrainId { get; private set; }

    public static object Create(Silo silo, Type interfaceType, GrainId id)
    {
        var described = GrainInterface.Get(interfaceType);
        var proxy = (GrainProxy)DispatchProxy.Create(interfaceType, typeof(GrainProxy));
        proxy._interface = described;
        proxy.Silo = silo;
        proxy.GrainId = id;
        return proxy;
    }

    public override bool Equals(object? obj) => obj is GrainProxy other && other.GrainId == GrainId && other._interface == _interface;

    public override int GetHashCode() => GrainId.GetHashCode();

    public override string ToString() => $"GrainReference:{GrainId}:{_interface.Type.FullName}";

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        var method = _interface.GetMethod(targetMethod!);
        return method.Return(Silo.Call(method, GrainId, args ?? []));
    }
}

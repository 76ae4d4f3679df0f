using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.Runtime;

/// <summary>A class that implements grain interfaces: its type name, and how an instance is made.</summary>
internal sealed class GrainClass
{
    private readonly Lazy<ObjectFactory> _factory;
    private readonly ParameterInfo[] _states;

    public GrainClass(Type type)
    {
        Class = type;
        Type = GrainType.Create(GetTypeName(type));
        KeepAlive = type.IsDefined(typeof(KeepAliveAttribute), inherit: true);
        _states = [.. type.GetConstructors().SelectMany(constructor => constructor.GetParameters())
            .Where(parameter => parameter.IsDefined(typeof(PersistentStateAttribute)))];
        _factory = new(() => ActivatorUtilities.CreateFactory(type, [.. _states.Select(parameter => parameter.ParameterType)]));
    }

    public Type Class { get; }

    public GrainType Type { get; }

    public bool KeepAlive { get; }

    public object Create(Activation activation)
    {
        try
        {
            return _factory.Value(activation.ActivationServices, [.. _states.Select(parameter => CreateState(activation, parameter))]);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(
                $"Failed to create an instance of grain type '{Class.FullName}'. See {nameof(Exception.InnerException)} for details.", exception);
        }
    }

    private static object CreateState(Activation activation, ParameterInfo parameter)
    {
        var type = parameter.ParameterType;
        if (!type.IsGenericType || type.GetGenericTypeDefinition() != typeof(IPersistentState<>))
        {
            throw new ArgumentException(
                $"Parameter '{parameter.Name}' on the constructor for '{parameter.Member.DeclaringType}' has [PersistentState] and must be an IPersistentState<T>, not '{type}'.",
                parameter.Name);
        }

        var attribute = parameter.GetCustomAttribute<PersistentStateAttribute>()!;
        var name = string.IsNullOrEmpty(attribute.StateName) ? parameter.Name! : attribute.StateName;
        return activation.CreateState(type.GetGenericArguments()[0], name, attribute.StorageName);
    }

    private static string GetTypeName(Type type)
    {
        const string Suffix = "grain";
        var name = type.Name.ToLowerInvariant();
        return name.Length > Suffix.Length && name.EndsWith(Suffix, StringComparison.Ordinal) ? name[..^Suffix.Length] : name;
    }
}

/// <summary>All grain classes of the program, by grain type and by interface.</summary>
internal sealed class GrainClasses
{
    private readonly Dictionary<GrainType, GrainClass> _byType = [];
    private readonly ConcurrentDictionary<Type, GrainClass[]> _byInterface = new();

    public GrainClasses()
    {
        foreach (var type in LoadAssemblies().SelectMany(GetTypes).Where(IsGrainClass))
        {
            var grainClass = new GrainClass(type);
            if (!_byType.TryAdd(grainClass.Type, grainClass))
            {
                throw new InvalidOperationException(
                    $"The grain classes {type} and {_byType[grainClass.Type].Class} have the same grain type, {grainClass.Type}.");
            }
        }
    }

    public GrainClass Get(GrainType type) =>
        _byType.TryGetValue(type, out var found) ? found : throw new ArgumentException($"Could not find a grain class for grain type {type}");

    public GrainType GetType(Type interfaceType, string? prefix)
    {
        var all = _byInterface.GetOrAdd(interfaceType, key => [.. _byType.Values.Where(grain => key.IsAssignableFrom(grain.Class))]);
        if (!string.IsNullOrWhiteSpace(prefix))
        {
            var exact = Array.Find(all, grain => grain.Class.FullName == prefix);
            all = exact is null ? [.. all.Where(grain => grain.Class.FullName!.StartsWith(prefix, StringComparison.Ordinal))] : [exact];
        }
        else if (Array.Find(all, grain => grain.Class.Name == interfaceType.Name[1..]) is { } namesake)
        {
            return namesake.Type;
        }

        return all switch
        {
            [var only] => only.Type,
            [] => throw new ArgumentException($"Could not find an implementation for interface {interfaceType.FullName}"),
            _ => throw new ArgumentException(
                $"Unable to identify a single appropriate grain type for interface {interfaceType.FullName}. Candidates: {string.Join(", ", all.Select(grain => grain.Class.FullName))}"),
        };
    }

    private static IEnumerable<Type> GetTypes(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException exception)
        {
            // Types that need an assembly which is not shipped.
            return exception.Types.OfType<Type>();
        }
    }

    private static bool IsGrainClass(Type type) =>
        type is { IsClass: true, IsAbstract: false, ContainsGenericParameters: false }
        && typeof(IGrainBase).IsAssignableFrom(type) && typeof(IGrain).IsAssignableFrom(type);

    /// <summary>Assemblies that use this one: those loaded, and what they reference.</summary>
    private static List<Assembly> LoadAssemblies()
    {
        var own = typeof(GrainClasses).Assembly.GetName().Name;
        var known = new HashSet<string>(StringComparer.Ordinal);
        var open = new Queue<Assembly>(AppDomain.CurrentDomain.GetAssemblies().Where(assembly => !assembly.IsDynamic));
        var found = new List<Assembly>();
        while (open.TryDequeue(out var assembly))
        {
            if (!known.Add(assembly.FullName!))
            {
                continue;
            }

            var references = assembly.GetReferencedAssemblies();
            if (Array.Exists(references, reference => reference.Name == own))
            {
                found.Add(assembly);
            }

            foreach (var reference in references.Where(reference => !IsOfPlatform(reference.Name!) && !known.Contains(reference.FullName)))
            {
                try
                {
                    open.Enqueue(Assembly.Load(reference));
                }
                catch (IOException)
                {
                    // Referenced, but not shipped: nothing of it can run.
                }
            }
        }

        return found;
    }

    private static bool IsOfPlatform(string name) =>
        name.StartsWith("System", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal)
        || name is "netstandard" or "mscorlib";
}

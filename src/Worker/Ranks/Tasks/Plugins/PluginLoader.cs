using System.Reflection;
using Linformer.Training.Plugins;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>Finds the class in an assembly that makes a task.</summary>
internal static class PluginLoader
{
    private static readonly string Interface = typeof(ITrainingTaskFactory).FullName!;

    /// <summary>What an assembly has to be built against, a sentence.</summary>
    public static string Allowed { get; } = $"This worker has {typeof(ITrainingTaskFactory).Assembly.GetName().Name} {typeof(ITrainingTaskFactory).Assembly.GetName().Version}: build the assembly against the release that all workers run.";

    /// <summary>Loads the assembly and makes the class.</summary>
    /// <param name="path">The assembly on this machine.</param>
    /// <param name="shown">The assembly as the job file names it.</param>
    /// <param name="typeName">The class's full name; null for the only one there is.</param>
    /// <exception cref="PluginException">It is not there or no assembly, was built for something else, has no such class, or cannot make it.</exception>
    public static ITrainingTaskFactory Load(string path, string shown, string? typeName)
    {
        var assembly = LoadAssembly(path, shown);
        CheckVersions(assembly, shown);
        var type = Choose(TypesOf(assembly, shown), shown, typeName);
        try
        {
            return (ITrainingTaskFactory)Activator.CreateInstance(type)!;
        }
        catch (TargetInvocationException e)
        {
            throw PluginFault.Of($"{shown}: the constructor of {type.FullName}", e.InnerException!);
        }
    }

    private static Assembly LoadAssembly(string path, string shown)
    {
        try
        {
            return new PluginLoadContext(path).LoadFromAssemblyPath(path);
        }
        catch (BadImageFormatException e)
        {
            throw new PluginException($"{shown} is not a .NET assembly that this worker can load ({typeof(object).Assembly.GetName().Version?.ToString(2)} is its version of .NET): {e.Message}", e);
        }
        catch (Exception e) when (e is FileLoadException or InvalidOperationException)
        {
            throw new PluginException($"{shown} cannot be loaded: {e.Message}", e);
        }
    }

    // A newer one than this process's is never found; an older one may do.
    private static void CheckVersions(Assembly assembly, string shown)
    {
        foreach (var reference in assembly.GetReferencedAssemblies())
        {
            if (PluginLoadContext.SharedVersion(reference) is { } own && reference.Version > own)
            {
                throw new PluginException($"{shown} was built against {reference.Name} {reference.Version}; this worker has {own}. Build it against the release that all workers run.");
            }
        }
    }

    private static Type[] TypesOf(Assembly assembly, string shown)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException e)
        {
            var first = e.LoaderExceptions.FirstOrDefault(cause => cause is not null);
            throw new PluginException($"{shown}: a type cannot be loaded, because something that it needs is not beside it or of another version: {first?.Message ?? e.Message} {Allowed}", e);
        }
        catch (Exception e) when (e is FileNotFoundException or FileLoadException or TypeLoadException)
        {
            throw new PluginException($"{shown}: something that it needs is not beside it or of another version: {e.Message} {Allowed}", e);
        }
    }

    private static Type Choose(Type[] types, string shown, string? typeName)
    {
        var factories = types.Where(type => type is { IsClass: true, IsAbstract: false } && typeof(ITrainingTaskFactory).IsAssignableFrom(type)).ToList();
        var names = string.Join(", ", factories.Select(type => type.FullName).Order(StringComparer.Ordinal));
        var found = typeName is null ? factories : factories.FindAll(type => type.FullName == typeName);
        if (factories.Count == 0)
        {
            throw new PluginException($"{shown} has no class that implements {Interface}.");
        }

        if (found.Count == 0)
        {
            var why = Array.Exists(types, type => type.FullName == typeName) ? $"the class does not implement {Interface}, or is abstract" : "there is no such class";
            throw new PluginException($"plugin.type is '{typeName}', and {why} in {shown}. Allowed: {names}.");
        }

        if (found.Count > 1)
        {
            throw new PluginException($"{shown} has several classes that implement {Interface}: {names}. Say which with plugin.type.");
        }

        return found[0].GetConstructor(Type.EmptyTypes) is null
            ? throw new PluginException($"{shown}: {found[0].FullName} has no public constructor without parameters.")
            : found[0];
    }
}

using System.Reflection;
using System.Runtime.Loader;
using Linformer.Data;
using Linformer.Model;
using Linformer.Training;
using TorchSharp;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>
/// Where a plug-in and what it brings along are loaded. What the two sides exchange is of this process's own assemblies, whatever lies
/// beside the plug-in; all else may be of another version than here.
/// </summary>
internal sealed class PluginLoadContext : AssemblyLoadContext
{
    private static readonly AssemblyName[] OfTheHost =
    [
        .. new[] { typeof(ITrainingTask), typeof(BadDataException), typeof(ModelFolder), typeof(torch) }.Select(type => type.Assembly.GetName()),
    ];

    private readonly AssemblyDependencyResolver _resolver;

    /// <summary>Makes it.</summary>
    /// <param name="path">The plug-in's assembly; what it needs lies beside it.</param>
    /// <exception cref="InvalidOperationException">The <c>.deps.json</c> beside it is no such file.</exception>
    public PluginLoadContext(string path)
        : base(Path.GetFileNameWithoutExtension(path)) => _resolver = new AssemblyDependencyResolver(path);

    /// <summary>The version of an assembly that both sides share; null for others.</summary>
    /// <param name="name">Its name.</param>
    public static Version? SharedVersion(AssemblyName name) => Array.Find(OfTheHost, shared => shared.Name == name.Name)?.Version;

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName) =>
        SharedVersion(assemblyName) is null && _resolver.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;

    /// <inheritdoc/>
    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;
}

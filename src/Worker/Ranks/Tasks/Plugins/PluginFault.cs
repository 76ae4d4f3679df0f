using Linformer.Training.Plugins;
using Linformer.Training.ProcessGroups;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>Calls code of a plug-in, and says whose fault it is when that fails.</summary>
internal static class PluginFault
{
    /// <summary>Calls it.</summary>
    /// <param name="what">Who does what, for messages.</param>
    /// <param name="call">The plug-in's code.</param>
    /// <exception cref="PluginException">It failed.</exception>
    /// <exception cref="IOException">Its storage failed, which may be better next time.</exception>
    public static TResult Guard<TResult>(string what, Func<TResult> call)
    {
        try
        {
            return call();
        }
        // A rank that was lost, the machine's memory and its storage are no fault of the code's; a file that is not there is.
        catch (Exception e) when (
            e is FileNotFoundException or DirectoryNotFoundException or FileLoadException
            || e is not (PluginException or ProcessGroupException or OutOfMemoryException or IOException))
        {
            throw Of(what, e);
        }
    }

    /// <summary>The failure of a plug-in's code as one of the job.</summary>
    /// <param name="what">Who does what.</param>
    /// <param name="cause">What was thrown.</param>
    public static PluginException Of(string what, Exception cause) => cause switch
    {
        PluginException own => own,
        MissingMemberException or TypeLoadException or FileLoadException or FileNotFoundException { FileName: not null } when IsOfLoading(cause) =>
            new PluginException($"{what} failed: it was built against other versions than this worker has: {cause.Message} {PluginLoader.Allowed}", cause),
        _ => new PluginException($"{what} failed with {cause.GetType().Name}: {cause.Message}", cause),
    };

    // A file of the user's that is missing is another matter.
    private static bool IsOfLoading(Exception cause) => cause is not FileNotFoundException { FileName: { } name } || name.Contains(", Version=", StringComparison.Ordinal);
}

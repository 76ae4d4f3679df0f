namespace Linformer.Training.Plugins;

/// <summary>A task of one's own cannot be loaded, or fails. The job fails for good: another try would end the same way.</summary>
public sealed class PluginException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is wrong, in words for the user.</param>
    /// <param name="inner">The cause, or null.</param>
    public PluginException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

namespace Linformer.Model.Kernels;

/// <summary>A kernel could not do what it was asked to. The message names the value and what is allowed.</summary>
public sealed class KernelException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was wrong.</param>
    public KernelException(string message)
        : base(message)
    {
    }

    /// <summary>Turns what a kernel returned into an exception, unless it went well.</summary>
    /// <exception cref="KernelException">The code is not that of success.</exception>
    internal static void Check(int code, in KernelError error)
    {
        if (code != 0)
        {
            throw new KernelException(error.Message);
        }
    }
}

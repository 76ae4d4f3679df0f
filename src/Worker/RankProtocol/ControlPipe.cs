using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Worker.RankProtocol;

/// <summary>
/// The rank's ends of its two pipes to the launcher, moved from descriptors 0 and 1 to private ones. Afterwards descriptor
/// 1 is the same as 2, the rank's log, so that whatever a native library prints cannot come between the messages, and
/// descriptor 0 is empty.
/// </summary>
public sealed partial class ControlPipe : IDisposable
{
    /// <summary>Set by the launcher in a rank's environment; without it a process must not take its pipes.</summary>
    public const string EnvironmentVariable = "LINFORMER_CONTROL_PIPE";

    /// <summary>
    /// The variable's value that makes a rank die with the thread that started it, as one that is stopped must: it cannot notice the
    /// end of its input. Whoever sets it starts ranks from a thread that lives as long as its process.
    /// </summary>
    public const string DiesWithParent = "dies-with-parent";

    private const int DuplicateCloseOnExec = 1030;
    private const int ParentDeathSignal = 1;
    private const int Kill = 9;
    private const int FirstPrivateDescriptor = 3;
    private const int WriteOnly = 0x1;
    private const int Create = 0x40;
    private const int Append = 0x400;
    private const int OwnerWrites = 0x1A4; // 0644

    private static int _claimed;

    private ControlPipe(FileStream input, FileStream output)
    {
        Input = input;
        Output = output;
    }

    /// <summary>Lines from the launcher; it ends when the launcher does.</summary>
    public Stream Input { get; }

    /// <summary>Lines to the launcher, unbuffered.</summary>
    public Stream Output { get; }

    /// <summary>
    /// Takes the pipes of this process. Call it first thing in Main: what has used <see cref="Console.Out"/> before would
    /// go on writing to the launcher.
    /// </summary>
    /// <exception cref="InvalidOperationException">The process was not started by the launcher, or has taken its pipes before.</exception>
    public static ControlPipe Claim()
    {
        var how = Environment.GetEnvironmentVariable(EnvironmentVariable);
        if (how is null)
        {
            throw new InvalidOperationException(
                $"This is a rank process, which only a launcher can start: {EnvironmentVariable} is not set.");
        }

        if (Interlocked.Exchange(ref _claimed, 1) != 0)
        {
            throw new InvalidOperationException("This process has taken its control pipe before.");
        }

        if (string.Equals(how, DiesWithParent, StringComparison.Ordinal))
        {
            Check(ProcessControl(ParentDeathSignal, Kill));
        }

        var input = new SafeFileHandle(Check(Control(0, DuplicateCloseOnExec, FirstPrivateDescriptor)), ownsHandle: true);
        var output = new SafeFileHandle(Check(Control(1, DuplicateCloseOnExec, FirstPrivateDescriptor)), ownsHandle: true);
        using (var nothing = File.OpenHandle("/dev/null"))
        {
            Check(Duplicate((int)nothing.DangerousGetHandle(), 0));
        }

        Check(Duplicate(2, 1));
        return new ControlPipe(
            new FileStream(input, FileAccess.Read, bufferSize: 0),
            new FileStream(output, FileAccess.Write, bufferSize: 0));
    }

    /// <summary>Makes a file this process's log from now on: descriptors 1 and 2 are it.</summary>
    /// <param name="path">The file; what is in it stays.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static void LogTo(string path)
    {
        // Not by a FileStream, which would write over what comes from elsewhere, and lock the file.
        var log = Open(path, WriteOnly | Create | Append, OwnerWrites);
        if (log < 0)
        {
            throw new IOException($"The log {path} cannot be opened: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }

        using var handle = new SafeFileHandle(log, ownsHandle: true);
        Check(Duplicate(log, 1));
        Check(Duplicate(log, 2));
    }

    /// <summary>Ends the process at once, without finalizers or exit handlers, which native libraries could block.</summary>
    /// <param name="code">The exit code.</param>
    [LibraryImport("libc", EntryPoint = "_exit")]
    internal static partial void ExitNow(int code);

    /// <inheritdoc/>
    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
    }

    private static int Check(int result) => result >= 0
        ? result
        : throw new InvalidOperationException($"The control pipe cannot be taken: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int ProcessControl(int option, nint argument);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);
}

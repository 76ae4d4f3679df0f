namespace Linformer.Worker.Local;

/// <summary>Names of the signals that end a process, in the numbers of Linux on x86-64 and ARM64.</summary>
internal static class Signals
{
    private const int SignalBase = 128;

    /// <summary>The name of the signal that an exit code tells of, or null.</summary>
    public static string? NameOf(int exitCode) => (exitCode - SignalBase) switch
    {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => null,
    };
}

namespace Linformer.Cli;

/// <summary>What the process ends with.</summary>
public static class ExitCodes
{
    /// <summary>All went well.</summary>
    public const int Success = 0;

    /// <summary>Wrong usage, bad input or a failure; the reason is on stderr.</summary>
    public const int Failure = 1;

    /// <summary>A coordinator has lost its lease of the database to another one, which is active now.</summary>
    public const int LeaseLost = 3;

    /// <summary>Ended by Ctrl-C.</summary>
    public const int Cancelled = 130;
}

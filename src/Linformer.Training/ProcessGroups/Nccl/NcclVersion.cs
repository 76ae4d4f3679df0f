namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>NCCL_VERSION_CODE: from 2.9 on, 10000 · major + 100 · minor + patch.</summary>
internal static class NcclVersion
{
    /// <summary>
    /// 2.26.2. Earlier ones have communicators that do not block, but free what a thread of theirs still uses when a communicator
    /// is aborted while it connects (before 2.19), or join a launch through memory of the thread that made it.
    /// </summary>
    public const int Oldest = 22602;

    /// <summary>Such as 2.18.3.</summary>
    public static string Text(int code) => code < 10000
        ? $"{code / 1000}.{code / 100 % 10}.{code % 100}"
        : $"{code / 10000}.{code / 100 % 100}.{code % 100}";
}

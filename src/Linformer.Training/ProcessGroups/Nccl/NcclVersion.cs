namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>NCCL_VERSION_CODE: from 2.9 on, 10000 · major + 100 · minor + patch.</summary>
internal static class NcclVersion
{
    /// <summary>2.14.0, the first with communicators that do not block.</summary>
    public const int Oldest = 21400;

    /// <summary>Such as 2.18.3.</summary>
    public static string Text(int code) => code < 10000
        ? $"{code / 1000}.{code / 100 % 10}.{code % 100}"
        : $"{code / 10000}.{code / 100 % 100}.{code % 100}";
}

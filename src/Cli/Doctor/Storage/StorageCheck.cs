using Linformer.Cli.Views;
using Linformer.Coordinator.Storage;

namespace Linformer.Cli.Doctor.Storage;

/// <summary>The storage root as this machine sees it: a folder, which one, how much is free, and what it does with files.</summary>
/// <param name="root">The folder.</param>
internal sealed class StorageCheck(string root) : IDoctorCheck
{
    private const long LittleFree = 10_000_000_000;
    private const long TooLittleFree = 500_000_000;
    private static readonly string[] NetworkFormats = ["nfs", "cifs", "smb", "fuse", "ceph", "lustre", "gpfs", "afs", "9p"];

    /// <inheritdoc/>
    public string Subject => $"Storage {root}";

    /// <inheritdoc/>
    public string Name => "folder";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(120);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        if (!Directory.Exists(root))
        {
            findings.Problem("folder", File.Exists(root) ? "it is a file" : "there is no such folder", "Mount the shared storage there, or name another folder with --data; on one machine, make the folder.");
            return;
        }

        var drive = new DriveInfo(root);
        findings.Ok("folder", $"there, on {drive.DriveFormat}");
        CheckIdentity(findings);
        CheckSpace(findings, drive);
        CheckDatabase(findings, drive);
        var folder = Path.Combine(root, $".linformer-doctor-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(folder);
            findings.Ok("writing", "this user may write there");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The name of the trial's folder says nothing, and some file systems miss it.
            var why = error is FileNotFoundException or DirectoryNotFoundException ? $"{drive.DriveFormat} takes no new folders there" : error.Message.Replace(folder, root, StringComparison.Ordinal);
            findings.Problem("writing", why, $"Let the user {Environment.UserName} write there: the owner or the mode of the folder, or a share that is mounted for reading only; or name another folder.");
            return;
        }

        try
        {
            await new StorageTrials(findings, folder).RunAsync(cancellation);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void CheckIdentity(Findings findings)
    {
        var path = Path.Combine(root, StorageId.FileName);
        try
        {
            findings.Ok("storage-id", File.ReadAllText(path).Trim());
        }
        catch (FileNotFoundException)
        {
            findings.Warn("storage-id", "none: no coordinator has used this folder yet", "All right before the first start. Else this is not the storage: is the share mounted here?");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            findings.Problem("storage-id", error.Message, "Workers compare it with the coordinator's: let this user read it.");
        }
    }

    private static void CheckSpace(Findings findings, DriveInfo drive)
    {
        var free = drive.AvailableFreeSpace;
        findings.Judge(
            free >= LittleFree, "free space", $"{Words.Bytes(free)} of {Words.Bytes(drive.TotalSize)}", free < TooLittleFree ? Verdict.Problem : Verdict.Warning,
            "Checkpoints take 12 bytes a parameter each, and shards 2 to 4 bytes a token: make room. DATA/cache can be deleted at any time.");
    }

    // SQLite's write-ahead log needs memory that all of its users share.
    private void CheckDatabase(Findings findings, DriveInfo drive)
    {
        if (!File.Exists(Path.Combine(root, "coordinator", "linformer.db")))
            return;
        var isNetwork = Array.Exists(NetworkFormats, format => drive.DriveFormat.StartsWith(format, StringComparison.OrdinalIgnoreCase));
        findings.Judge(
            !isNetwork, "SQLite", $"the coordinator's database is here, on {drive.DriveFormat}", Verdict.Warning,
            "SQLite is not safe on a network's file system: keep it on a disk of the coordinator's machine (--coordinator-folder), or use PostgreSQL.");
    }
}

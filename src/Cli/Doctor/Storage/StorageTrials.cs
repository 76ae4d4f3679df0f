using System.Diagnostics;
using System.Runtime.InteropServices;
using Linformer.Cli.Views;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Cli.Doctor.Storage;

/// <summary>Tries what training does with files: writes and reads much, replaces whole files and folders, flushes to disk.</summary>
/// <param name="findings">Takes what is found.</param>
/// <param name="folder">A folder of its own, on the storage.</param>
internal sealed class StorageTrials(Findings findings, string folder)
{
    private const int BlockBytes = 4 << 20;
    private const int Blocks = 16;
    private const double SlowWrite = 50e6; // bytes a second
    private const double SlowRead = 100e6;
    private const int Flushes = 30;
    private const int FlushBytes = 4096;
    private const int Replacements = 200;
    private const int RecordBytes = 8192;
    private const int FadviseDontNeed = 4;

    private static readonly TimeSpan SlowFlush = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan HardFlush = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MostClockDifference = TimeSpan.FromSeconds(2);

    /// <summary>Tries all; one that fails does not end the others.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        await TryAsync("speed", Speed, cancellation);
        await TryAsync("flushing", Flush, cancellation);
        await TryAsync("atomic rename", ReplaceAsync, cancellation);
        await TryAsync("rename of folders", RenameFolder, cancellation);
        await TryAsync("clock", Clock, cancellation);
    }

    private Task TryAsync(string name, Action<CancellationToken> trial, CancellationToken cancellation) => TryAsync(
        name,
        token =>
        {
            trial(token);
            return Task.CompletedTask;
        },
        cancellation);

    private async Task TryAsync(string name, Func<CancellationToken, Task> trial, CancellationToken cancellation)
    {
        try
        {
            await trial(cancellation);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            findings.Problem(name, error.Message, "The storage does not do what training needs: make room, or mend the file system.");
        }
    }

    private void Speed(CancellationToken cancellation)
    {
        var path = Path.Combine(folder, "speed");
        var block = new byte[BlockBytes];
        // Zeros would be compressed away by some file systems.
        Random.Shared.NextBytes(block);
        var started = Stopwatch.GetTimestamp();
        using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
        {
            for (var i = 0; i < Blocks; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                RandomAccess.Write(file, block, (long)i * BlockBytes);
            }

            RandomAccess.FlushToDisk(file);
            var rate = (double)Blocks * BlockBytes / Stopwatch.GetElapsedTime(started).TotalSeconds;
            findings.Judge(rate >= SlowWrite, "write speed", $"{Words.Bytes((long)rate)}/s", Verdict.Warning, "A checkpoint of a big model takes long: use faster storage, or write them less often (training.checkpointEvery).");
            Forget(file);
        }

        using (var file = File.OpenHandle(path))
        {
            started = Stopwatch.GetTimestamp();
            for (var i = 0; i < Blocks; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                RandomAccess.Read(file, block, (long)i * BlockBytes);
            }

            var rate = (double)Blocks * BlockBytes / Stopwatch.GetElapsedTime(started).TotalSeconds;
            findings.Judge(rate >= SlowRead, "read speed", $"{Words.Bytes((long)rate)}/s", Verdict.Warning, "Sharding and starts from checkpoints take long: use faster storage.");
        }

        File.Delete(path);
    }

    private void Flush(CancellationToken cancellation)
    {
        var times = new List<TimeSpan>();
        using var file = File.OpenHandle(Path.Combine(folder, "flush"), FileMode.CreateNew, FileAccess.Write);
        for (var i = 0; i < Flushes; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            RandomAccess.Write(file, new byte[FlushBytes], (long)i * FlushBytes);
            var started = Stopwatch.GetTimestamp();
            RandomAccess.FlushToDisk(file);
            times.Add(Stopwatch.GetElapsedTime(started));
        }

        times.Sort();
        var (median, longest) = (times[Flushes / 2], times[^1]);
        findings.Judge(
            median <= SlowFlush && longest <= HardFlush, "flushing to disk", $"{median.TotalMilliseconds:0.0} ms, {longest.TotalMilliseconds:0.0} ms at most", Verdict.Warning,
            "Every change of an SQLite database and every file of a checkpoint waits for it: use storage with a battery-backed cache, or PostgreSQL elsewhere.");
    }

    // A file that is replaced must at every moment be whole, the old one or the new one.
    private async Task ReplaceAsync(CancellationToken cancellation)
    {
        var path = Path.Combine(folder, "record");
        Write(path, 0);
        var done = false;
        var broken = (string?)null;
        var reads = 0;
        var reader = Task.Factory.StartNew(
            () =>
            {
                while (!Volatile.Read(ref done) && broken is null)
                {
                    broken = WhyBroken(path);
                    reads++;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            for (var i = 1; i <= Replacements; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                Write($"{path}.new", (byte)i);
                File.Move($"{path}.new", path, overwrite: true);
            }
        }
        finally
        {
            Volatile.Write(ref done, true);
            await reader;
        }

        findings.Judge(
            broken is null, "atomic rename", broken ?? $"a file was replaced {Replacements} times while it was read {reads:#,0} times, whole each time", Verdict.Problem,
            "Readers would see half of a manifest or checkpoint: use a POSIX file system (a disk, NFS 4, CephFS, Lustre), not an object store that is mounted as one.");
    }

    private static void Write(string path, byte content)
    {
        var record = new byte[RecordBytes];
        Array.Fill(record, content);
        File.WriteAllBytes(path, record);
    }

    private static string? WhyBroken(string path)
    {
        try
        {
            var record = File.ReadAllBytes(path);
            return record.Length != RecordBytes || Array.Exists(record, content => content != record[0]) ? "while a file was replaced, a reader saw half of it" : null;
        }
        catch (FileNotFoundException)
        {
            return "while a file was replaced, there was none for a moment";
        }
        catch (IOException error)
        {
            return $"while a file was replaced, it could not be read: {error.Message}";
        }
    }

    private void RenameFolder(CancellationToken cancellation)
    {
        var (before, after) = (Path.Combine(folder, "checkpoint.tmp"), Path.Combine(folder, "checkpoint"));
        Directory.CreateDirectory(before);
        Write(Path.Combine(before, "file"), 1);
        Directory.Move(before, after);
        findings.Judge(
            File.Exists(Path.Combine(after, "file")) && !Directory.Exists(before), "rename of folders", "a folder with a file was renamed", Verdict.Problem,
            "Checkpoints are folders that are renamed when they are whole: use a POSIX file system.");
    }

    private void Clock(CancellationToken cancellation)
    {
        var path = Path.Combine(folder, "clock");
        var before = DateTime.UtcNow;
        File.WriteAllBytes(path, [1]);
        var after = DateTime.UtcNow;
        var written = File.GetLastWriteTimeUtc(path);
        var ahead = written < before ? written - before : written > after ? written - after : TimeSpan.Zero;
        findings.Judge(
            ahead.Duration() <= MostClockDifference, "clock", ClockWords.Difference(ahead, "the storage's"), Verdict.Warning,
            "Times of files and logs would not fit together: let NTP set the clocks of this machine and of the file server.");
    }

    // So that the file is read from the storage, not from this machine's memory. Where that cannot be asked for, it is quicker than it is.
    private static void Forget(SafeFileHandle file)
    {
        if (OperatingSystem.IsLinux())
            _ = PosixFadvise((int)file.DangerousGetHandle(), 0, 0, FadviseDontNeed);
    }

    [DllImport("libc", EntryPoint = "posix_fadvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int PosixFadvise(int file, long offset, long length, int advice);
}

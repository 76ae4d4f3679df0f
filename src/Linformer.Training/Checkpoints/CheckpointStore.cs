using System.Text;

namespace Linformer.Training.Checkpoints;

/// <summary>
/// The checkpoints of one job: a folder with one immutable folder per checkpoint. A checkpoint appears under its name only
/// once all its bytes are on disk, so a process or machine that dies at any moment leaves the earlier ones as they were.
/// All members may be called from any thread; only the holder of the job's lease may call <see cref="Retain"/>.
/// </summary>
/// <param name="folder">The job's checkpoint folder; it is created by the first write.</param>
public sealed class CheckpointStore(string folder)
{
    /// <summary>The job's checkpoint folder.</summary>
    public string Folder { get; } = Path.GetFullPath(folder);

    /// <summary>
    /// Writes a checkpoint, on a thread of the pool. One of the same id that is damaged is replaced.
    /// </summary>
    /// <param name="id">Its lineage, generation and step.</param>
    /// <param name="metadata">What it says beside the tensors.</param>
    /// <param name="files">Its files, whose sources must not change until the task ends.</param>
    /// <param name="cancellationToken">Ends the writing; nothing of the checkpoint remains.</param>
    /// <returns>The checkpoint, on disk and under its name.</returns>
    /// <exception cref="CheckpointException">
    /// The id is taken, or a file cannot be written (a full disk); nothing of the checkpoint remains and the others are untouched.
    /// </exception>
    /// <exception cref="ArgumentException">A number is negative, or a file's name is taken or not plain.</exception>
    public Task<CheckpointInfo> WriteAsync(
        CheckpointId id,
        CheckpointMetadata metadata,
        IReadOnlyList<CheckpointFile> files,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(files);
        if (id.Lineage < 0 || id.Generation < 0 || id.Step < 0 || metadata.SamplesConsumed < 0)
        {
            throw new ArgumentException($"{id} after {metadata.SamplesConsumed} samples: no number of a checkpoint may be negative.", nameof(id));
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        if (files.FirstOrDefault(file => !CheckpointManifest.IsFileName(file.Name) || !names.Add(file.Name)) is { } wrong)
        {
            throw new ArgumentException(
                $"'{wrong.Name}' cannot be a checkpoint's file: names must differ and consist of letters, digits, '.', '_' and '-'.",
                nameof(files));
        }

        return Task.Run(() => Write(id, metadata, files, cancellationToken), cancellationToken);
    }

    /// <summary>The checkpoints by name, oldest first, without a look into them.</summary>
    /// <exception cref="CheckpointException">The folder cannot be read.</exception>
    public IReadOnlyList<CheckpointId> List()
    {
        try
        {
            return Directory.Exists(Folder) ? [.. Ids().Order()] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{Folder}: cannot be read: {e.Message}", e);
        }

        IEnumerable<CheckpointId> Ids()
        {
            foreach (var path in Directory.EnumerateDirectories(Folder))
            {
                if (CheckpointId.TryParse(Path.GetFileName(path), out var id))
                {
                    yield return id;
                }
            }
        }
    }

    /// <summary>The newest checkpoint whose every byte is right, or null when there is none. Reads whole files.</summary>
    /// <param name="warn">Told of each damaged one that is skipped.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="CheckpointException">The folder cannot be read.</exception>
    public CheckpointInfo? FindNewestValid(Action<CheckpointDamage> warn, CancellationToken cancellationToken = default) =>
        FindFirstValid(List().Reverse(), warn, () => { }, cancellationToken);

    /// <summary>The checkpoint that a lineage goes on from: the first in its order whose every byte is right, or null when there is none.</summary>
    /// <param name="lineage">The lineage.</param>
    /// <param name="warn">Told of each damaged one that is skipped.</param>
    /// <param name="advanced">Called now and then while files are read.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="CheckpointException">The folder cannot be read.</exception>
    public CheckpointInfo? FindNewestValid(
        CheckpointLineage lineage, Action<CheckpointDamage> warn, Action advanced, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(lineage);
        ArgumentNullException.ThrowIfNull(advanced);
        return FindFirstValid(lineage.InOrder(List()), warn, advanced, cancellationToken);
    }

    /// <summary>One checkpoint, once every byte of it has been checked.</summary>
    /// <param name="id">Its lineage, generation and step.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <exception cref="CheckpointException">There is no such checkpoint, or it is damaged.</exception>
    public CheckpointInfo OpenVerified(CheckpointId id, CancellationToken cancellationToken = default)
    {
        if (!Directory.Exists(PathOf(id)))
        {
            var known = List();
            throw new CheckpointException($"{Folder}: has no checkpoint {id}; it has {(known.Count == 0 ? "none" : string.Join(", ", known))}.");
        }

        var (info, damage) = CheckpointVerifier.Verify(PathOf(id), id, () => { }, cancellationToken);
        return info ?? throw new CheckpointException(damage!.ToString());
    }

    /// <summary>
    /// Deletes all but the newest checkpoints, and what dead writers have left. Of a lineage those stay that it would go on from first:
    /// its own, the one that it began with, then older ones; what does not hold for it goes, but for what a later lineage has written.
    /// When every one that would stay is damaged, the next one stays too that is not.
    /// </summary>
    /// <param name="keep">How many to keep, at least 1.</param>
    /// <param name="lineage">The lineage that must stay able to go on; null for any.</param>
    /// <param name="also">A step of which the newest checkpoint stays as well, whether whole or not; null for none.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    /// <returns>The checkpoints that were deleted, those first that do not hold for the lineage.</returns>
    /// <exception cref="CheckpointException">Something cannot be deleted.</exception>
    public IReadOnlyList<CheckpointId> Retain(int keep, CheckpointLineage? lineage = null, long? also = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        try
        {
            StagingFolder.RemoveStale(Folder);
            var all = List();
            IReadOnlyList<CheckpointId> order = lineage is null ? [.. all.Reverse()] : lineage.InOrder(all);
            var stay = order.Take(keep).Concat(order.Where(id => id.Step == also).Take(1)).ToHashSet();
            // A writer that has been replaced and does not know it yet has no say in what came after it.
            var older = all.Where(id => !stay.Contains(id) && !(id.Lineage > lineage?.Number)).OrderBy(id => lineage?.Holds(id) ?? true).ToList();
            // Only when something is to go is it worth reading the newest ones to be sure of a valid one.
            if (older.Count > 0)
            {
                var newest = FindFirstValid(order, _ => { }, () => { }, cancellationToken);
                older.RemoveAll(id => id == newest?.Id);
            }

            foreach (var id in older)
            {
                cancellationToken.ThrowIfCancellationRequested();
                StagingFolder.Delete(PathOf(id));
            }

            return older;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{Folder}: old checkpoints cannot be deleted: {e.Message}", e);
        }
    }

    private CheckpointInfo? FindFirstValid(
        IEnumerable<CheckpointId> order, Action<CheckpointDamage> warn, Action advanced, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(warn);
        foreach (var id in order)
        {
            var (info, damage) = CheckpointVerifier.Verify(PathOf(id), id, advanced, cancellationToken);
            if (info is not null)
            {
                return info;
            }

            warn(damage!);
        }

        return null;
    }

    private CheckpointInfo Write(CheckpointId id, CheckpointMetadata metadata, IReadOnlyList<CheckpointFile> files, CancellationToken cancellationToken)
    {
        var path = PathOf(id);
        try
        {
            Directory.CreateDirectory(Folder);
            ClearTheWay(id, cancellationToken);
            using var staging = StagingFolder.Create(Folder, id);
            var written = files.Select(file => WriteFile(staging.Path, file, cancellationToken)).ToList();
            var manifest = new CheckpointManifest(
                CheckpointManifest.CurrentFormatVersion,
                id.Lineage,
                id.Generation,
                id.Step,
                metadata.SamplesConsumed,
                metadata.SampleOrderVersion,
                metadata.JobJson,
                DateTimeOffset.UtcNow,
                written);
            WriteManifest(staging.Path, manifest, cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
            staging.Commit(path);
            return manifest.ToInfo(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: the checkpoint cannot be written: {e.Message}", e);
        }
    }

    private void ClearTheWay(CheckpointId id, CancellationToken cancellationToken)
    {
        var path = PathOf(id);
        if (!Directory.Exists(path))
        {
            return;
        }

        if (CheckpointVerifier.Verify(path, id, () => { }, cancellationToken).Info is not null)
        {
            throw new CheckpointException($"{path}: exists; a checkpoint is never overwritten.");
        }

        StagingFolder.SetAside(path, Folder);
    }

    private static void WriteManifest(string folder, CheckpointManifest manifest, CancellationToken cancellationToken)
    {
        var json = manifest.ToJson();
        if (json.Length > CheckpointManifest.MaximumLength)
        {
            throw new CheckpointException($"{folder}: the manifest has {json.Length} bytes; allowed are {CheckpointManifest.MaximumLength}.");
        }

        var hashLine = Encoding.ASCII.GetBytes(CheckpointManifest.HashLine(json));
        WriteFile(folder, new CheckpointFile(CheckpointManifest.HashFileName, stream => stream.Write(hashLine)), cancellationToken);
        WriteFile(folder, new CheckpointFile(CheckpointManifest.FileName, stream => stream.Write(json)), cancellationToken);
    }

    private static CheckpointFileInfo WriteFile(string folder, CheckpointFile file, CancellationToken cancellationToken)
    {
        using var stream = new FileStream(Path.Combine(folder, file.Name), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        using var hashing = new HashingStream(stream, cancellationToken);
        file.Write(hashing);
        stream.Flush(flushToDisk: true);
        return new CheckpointFileInfo(file.Name, hashing.Length, hashing.Sha256());
    }

    private string PathOf(CheckpointId id) => Path.Combine(Folder, id.ToString());
}

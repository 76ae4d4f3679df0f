using Linformer.Worker.Jobs;

namespace Linformer.Worker.Agents;

/// <summary>
/// The coordinator leaves an id in its storage root. A worker that does not find the same one in its own folder has another
/// storage, and every job would fail there. For any number of threads.
/// </summary>
/// <param name="root">The storage root as it is mounted here.</param>
/// <param name="patience">How long a read may take, with the wait for the one before; null for 5 s.</param>
/// <param name="read">Reads a file; null for the system's.</param>
public sealed class StorageId(string root, TimeSpan? patience = null, Func<string, string>? read = null)
{
    private readonly TimeSpan _patience = patience ?? TimeSpan.FromSeconds(5);
    private readonly Func<string, string> _read = read ?? File.ReadAllText;
    private readonly Lock _gate = new();
    private Task<string>? _reading;

    /// <summary>Compares the id of this machine's folder with the coordinator's, on connecting.</summary>
    /// <param name="expected">The coordinator's id; empty when it has none to compare with.</param>
    /// <param name="matchedBefore">Whether the ids were the same before: then one that cannot be found may come back.</param>
    /// <returns>What is wrong with a storage that may come back, as a predicate of its id file; null when it is the coordinator's.</returns>
    /// <exception cref="AgentRefusedException">The folder is not the coordinator's storage root.</exception>
    /// <exception cref="IOException">The storage cannot be read now, and was not seen to be the coordinator's before.</exception>
    public async Task<string?> CheckAsync(string expected, bool matchedBefore)
    {
        var (found, problem, maybeLater) = await FindAsync(expected);
        if (problem is null || (matchedBefore && found.Length == 0))
        {
            return problem;
        }

        if (maybeLater)
        {
            throw new IOException($"the file {StorageLayout.StorageIdName} of the storage root {Path.GetFullPath(root)} {problem}");
        }

        throw new AgentRefusedException(
            $"The folder {Path.GetFullPath(root)} of this worker is not the coordinator's storage root: its file {StorageLayout.StorageIdName} {problem}. "
            + "Mount the storage that the coordinator uses, and start the worker with that folder as --data.");
    }

    /// <summary>What there is instead of the coordinator's id.</summary>
    /// <param name="expected">The coordinator's id; empty when it has none to compare with.</param>
    /// <returns>
    /// The id that was found, empty for none; what is wrong with it, as a predicate of its file, null for nothing; and whether what is
    /// wrong says nothing of whose storage it is.
    /// </returns>
    public async Task<(string Found, string? Problem, bool MaybeLater)> FindAsync(string expected)
    {
        if (expected.Length == 0)
        {
            return ("", null, false);
        }

        try
        {
            using var limit = new CancellationTokenSource(_patience);
            var found = (await ReadAsync(limit.Token)).Trim();
            return string.Equals(found, expected, StringComparison.Ordinal)
                ? (found, null, false)
                : (found, $"has the id '{Cut.To(found, 40)}', and the coordinator's has '{Cut.To(expected, 40)}'", false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return ("", "is not there", false);
        }
        catch (UnauthorizedAccessException)
        {
            return ("", "may not be read here", false);
        }
        catch (IOException e)
        {
            return ("", $"cannot be read: {e.Message}", true);
        }
        catch (OperationCanceledException)
        {
            return ("", $"cannot be read within {_patience.TotalSeconds} s", true);
        }
    }

    /// <summary>
    /// Reads the file. To open one of a server that is gone takes for ever, and a thread with it: so there is one read at a time, and what
    /// is found was read after the call.
    /// </summary>
    private async Task<string> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task<string> reading;
            bool isOwn;
            lock (_gate)
            {
                isOwn = _reading is not { IsCompleted: false };
                reading = isOwn ? _reading = Task.Run(() => _read(Path.Combine(root, StorageLayout.StorageIdName)), CancellationToken.None) : _reading!;
            }

            if (isOwn)
            {
                return await reading.WaitAsync(cancellationToken);
            }

            await Task.WhenAny(reading).WaitAsync(cancellationToken);
        }
    }
}

using System.Text.Json;
using Orleans.Storage;

namespace Linformer.Coordinator.Storage;

/// <summary>
/// Grain states in the database, as JSON, with a number that grows as the etag. A state's type has public properties that can be set
/// (or are set by its constructor).
/// </summary>
/// <param name="database">The database.</param>
public sealed class DatabaseGrainStorage(CoordinatorDatabase database) : IGrainStorage
{
    /// <summary>The name under which grains ask for it.</summary>
    public const string Name = "coordinator";

    /// <inheritdoc/>
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var (etag, json) = await database.ReadAsync(
            session => session.First(
                "SELECT etag, state FROM grains WHERE grain_id = $1 AND state_name = $2",
                row => (row.GetInt64(0), row.GetString(1)),
                grainId.ToString(), stateName),
            CancellationToken.None);
        if (json is null)
        {
            Reset(grainState);
            return;
        }
        try
        {
            grainState.State = JsonSerializer.Deserialize<T>(json, StateJson.Options)!;
        }
        catch (JsonException exception)
        {
            throw new StorageException(
                $"The state '{stateName}' of grain {grainId} in the database {database.Name} cannot be read: {exception.Message}", exception);
        }
        grainState.ETag = etag.ToString();
        grainState.RecordExists = true;
    }

    /// <inheritdoc/>
    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var id = grainId.ToString();
        var etag = grainState.ETag;
        var json = JsonSerializer.Serialize(grainState.State, StateJson.Options);
        var written = await database.WriteAsync(
            session =>
            {
                CheckEtag(session, stateName, id, etag);
                return session.First(
                    """
                    INSERT INTO grains VALUES ($1, $2, 1, $3)
                    ON CONFLICT (grain_id, state_name) DO UPDATE SET etag = grains.etag + 1, state = $3
                    RETURNING etag
                    """,
                    row => row.GetInt64(0),
                    id, stateName, json);
            },
            CancellationToken.None);
        grainState.ETag = written.ToString();
        grainState.RecordExists = true;
    }

    /// <inheritdoc/>
    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var id = grainId.ToString();
        var etag = grainState.ETag;
        await database.WriteAsync(
            session =>
            {
                CheckEtag(session, stateName, id, etag);
                session.Execute("DELETE FROM grains WHERE grain_id = $1 AND state_name = $2", id, stateName);
            },
            CancellationToken.None);
        Reset(grainState);
    }

    private static void CheckEtag(Session session, string stateName, string id, string? etag)
    {
        var stored = session.First("SELECT etag FROM grains WHERE grain_id = $1 AND state_name = $2", row => row.GetInt64(0).ToString(), id, stateName);
        if (stored != etag)
            throw new InconsistentStateException($"The state '{stateName}' of grain {id} was written by somebody else meanwhile.", stored, etag);
    }

    private static void Reset<T>(IGrainState<T> grainState)
    {
        grainState.State = Activator.CreateInstance<T>();
        grainState.ETag = null;
        grainState.RecordExists = false;
    }
}

namespace Linformer.Training.ProcessGroups;

/// <summary>Where ranks publish how they are reached. Its methods are called from any thread.</summary>
public interface IRendezvousStore
{
    /// <summary>Publishes a value, in place of an older one.</summary>
    /// <param name="key">Its name.</param>
    /// <param name="value">Any bytes.</param>
    void Set(string key, ReadOnlySpan<byte> value);

    /// <summary>Waits for a value.</summary>
    /// <param name="key">Its name.</param>
    /// <param name="timeout">How long to wait for it.</param>
    /// <param name="cancellationToken">Ends the wait at once.</param>
    /// <exception cref="TimeoutException">Nobody published it in time.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default);
}

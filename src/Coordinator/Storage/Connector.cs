namespace Linformer.Coordinator.Storage;

/// <summary>What the queue of writes and the pool of readers need to know of a kind of database. For several threads.</summary>
internal abstract class Connector
{
    /// <summary>The database, for messages.</summary>
    public abstract string Name { get; }

    /// <summary>Opens a connection for writing.</summary>
    public abstract Session OpenWriter();

    /// <summary>Opens a connection for reading.</summary>
    public abstract Session OpenReader();

    /// <summary>Checks in a transaction that this coordinator may write, and sees to it that this stays so until the transaction's end.</summary>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="DatabaseUnreachableException">The lease was not renewed in time.</exception>
    public abstract void CheckLease(Session session);

    /// <summary>Says in words what the database met; null if the exception is not of the database.</summary>
    public abstract StorageException? Explain(Exception exception);
}

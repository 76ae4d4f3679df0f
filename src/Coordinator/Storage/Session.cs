using System.Data.Common;

namespace Linformer.Coordinator.Storage;

/// <summary>
/// A connection. Parameters are <c>$1</c>, <c>$2</c> … in the order of the values, which are numbers, texts and null. Statements
/// may be kept by their text, so they have to be constants. Not for several threads at a time.
/// </summary>
internal abstract class Session : IDisposable
{
    /// <summary>Runs a statement that gives no rows, at the latest before the next one that does or the transaction's end.</summary>
    public abstract void Execute(string sql, params ReadOnlySpan<object?> values);

    /// <summary>The first row, or the default if there is none.</summary>
    public T? First<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> values)
    {
        using var reader = Query(sql, values);
        return reader.Read() ? map(reader) : default;
    }

    /// <summary>All rows.</summary>
    public List<T> All<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> values)
    {
        using var reader = Query(sql, values);
        var rows = new List<T>();
        while (reader.Read())
            rows.Add(map(reader));
        return rows;
    }

    /// <summary>Begins a transaction that writes.</summary>
    public abstract void BeginWrite();

    /// <summary>Begins a transaction that reads: all its statements see one state.</summary>
    public abstract void BeginRead();

    /// <summary>Commits the transaction.</summary>
    public abstract void Commit();

    /// <summary>Undoes the transaction.</summary>
    public abstract void Rollback();

    /// <inheritdoc/>
    public abstract void Dispose();

    private protected abstract DbDataReader Query(string sql, ReadOnlySpan<object?> values);
}

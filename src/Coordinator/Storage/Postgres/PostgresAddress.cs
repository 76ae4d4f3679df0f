using Npgsql;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>Where a PostgreSQL server is and who asks: what <c>postgresql://USER:PASSWORD@HOST:PORT/DATABASE</c> says.</summary>
public sealed class PostgresAddress
{
    private const int DefaultPort = 5432;
    private const string Shape = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE";

    private readonly string _connection;

    private PostgresAddress(NpgsqlConnectionStringBuilder connection)
    {
        _connection = connection.ToString();
        User = connection.Username!;
        Database = connection.Database!;
        var host = connection.Host!.StartsWith('/') ? $"[{connection.Host}]" : connection.Host.Contains(':') ? $"[{connection.Host}]" : connection.Host;
        Display = $"postgresql://{User}@{host}:{connection.Port}/{Database}";
    }

    /// <summary>The database's user.</summary>
    public string User { get; }

    /// <summary>The database.</summary>
    public string Database { get; }

    /// <summary>The address without a password, for messages.</summary>
    public string Display { get; }

    /// <summary>
    /// Reads an address. The user and the database default to <c>linformer</c>, the port to 5432. A password may be left out: then
    /// it is that of <c>PGPASSWORD</c> or of the password file, if the server asks for one. After <c>?</c> may come <c>sslmode</c>
    /// (disable, allow, prefer, require, verify-ca, verify-full), <c>sslrootcert</c> (a file), and <c>host</c> (the folder of a socket).
    /// </summary>
    /// <param name="text">Such as <c>postgresql://linformer:secret@db:5432/linformer?sslmode=verify-full</c>.</param>
    /// <exception cref="FormatException">It is no such address; the message does not repeat a password.</exception>
    public static PostgresAddress Parse(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("postgresql" or "postgres"))
            throw new FormatException($"It is no address of a PostgreSQL database; {Shape} is needed. Characters of a password that mean something in an address are written as %XX.");
        try
        {
            return Read(uri);
        }
        catch (ArgumentException exception)
        {
            // Not its message, in which the value might be.
            throw new FormatException(
                $"A part of the address of the PostgreSQL database ({exception.ParamName ?? "a value"}) has a character that is not allowed there, such as a zero.", exception);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Display;

    /// <summary>The connection string, to add to.</summary>
    internal NpgsqlConnectionStringBuilder Connection() => new(_connection);

    private static PostgresAddress Read(Uri uri)
    {
        var user = uri.UserInfo.Split(':', 2);
        var connection = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host.Trim('[', ']'),
            Port = uri.Port > 0 ? uri.Port : DefaultPort,
            Username = Or(Uri.UnescapeDataString(user[0]), "linformer"),
            Database = Or(Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')), "linformer"),
        };
        if (user.Length == 2)
            connection.Password = Uri.UnescapeDataString(user[1]);
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
            Set(connection, pair);
        return connection.Host is { Length: > 0 }
            ? new PostgresAddress(connection)
            : throw new FormatException($"The host is missing in the address of the PostgreSQL database; {Shape} is needed, or ?host=/FOLDER for a socket.");
    }

    private static void Set(NpgsqlConnectionStringBuilder connection, string pair)
    {
        var (name, value) = pair.Split('=', 2) is [var left, var right] ? (left, Uri.UnescapeDataString(right)) : (pair, "");
        switch (name)
        {
            case "sslmode":
                connection.SslMode = Enum.TryParse<SslMode>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true, out var mode) && Enum.IsDefined(mode)
                    ? mode
                    : throw new FormatException($"sslmode is '{value}'; allowed are disable, allow, prefer, require, verify-ca and verify-full.");
                break;
            case "sslrootcert":
                connection.RootCertificate = value;
                break;
            case "host":
                connection.Host = value;
                break;
            default:
                throw new FormatException($"'{name}' in the address of the PostgreSQL database is not known; allowed are sslmode, sslrootcert and host.");
        }
    }

    private static string Or(string text, string otherwise) => text.Length > 0 ? text : otherwise;
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Tests.Shared;

/// <summary>Where a server runs that others reach over a network, with TLS.</summary>
/// <param name="Prefix">What its command line starts with, such as <c>ip netns exec NAME</c>.</param>
/// <param name="Address">The address that it listens on.</param>
/// <param name="CertificateFile">Its certificate in PEM.</param>
/// <param name="KeyFile">The certificate's key.</param>
public sealed record PostgresPlace(IReadOnlyList<string> Prefix, string Address, string CertificateFile, string KeyFile);

/// <summary>
/// A PostgreSQL server of the tests' own, in a temporary folder, on a free port of loopback. It ends with the test process,
/// however that ends.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    public const string User = "linformer";
    public const string Password = "pass:word/with@signs";

    private static readonly string? Programs = FindPrograms();
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly PostgresPlace? _place;
    private readonly int _port = FreePort();
    private int _databases;
    private Process? _process;

    private PostgresServer(string folder, PostgresPlace? place) => (_folder, _place) = (folder, place);

    /// <summary>Why there can be no server; null if there can.</summary>
    public static string? Missing => Programs is null ? "PostgreSQL is not installed (the package postgresql)" : null;

    private string Data => Path.Combine(_folder, "data");

    private string Address => _place?.Address ?? "127.0.0.1";

    /// <summary>Makes a server and starts it.</summary>
    /// <param name="place">Where; null for loopback without TLS.</param>
    public static async Task<PostgresServer> StartAsync(PostgresPlace? place = null)
    {
        var server = new PostgresServer(Directory.CreateTempSubdirectory("linformer-pg-").FullName, place);
        try
        {
            var password = Path.Combine(server._folder, "password");
            await File.WriteAllTextAsync(password, Password);
            if (place is not null)
            {
                File.Copy(place.CertificateFile, Path.Combine(server._folder, "server.crt"));
                File.Copy(place.KeyFile, Path.Combine(server._folder, "server.key"));
                await RunAsync("chmod", "600", Path.Combine(server._folder, "server.key"));
            }
            await RunAsync("chown", "-R", Owner(), server._folder);
            string[] command =
            [
                .. AsOwner(), Path.Combine(Programs!, "initdb"), "-D", server.Data, "-U", User, $"--pwfile={password}", "-A", "scram-sha-256",
                "-E", "UTF8", "--no-locale", "--no-sync",
            ];
            await RunAsync(command[0], command[1..]);
            if (place is not null)
            {
                // What initdb writes lets in nobody but this machine.
                await File.AppendAllTextAsync(Path.Combine(server.Data, "pg_hba.conf"), "hostssl all all 0.0.0.0/0 scram-sha-256\n");
            }

            await server.StartAgainAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the server after a stop.</summary>
    public async Task StartAgainAsync()
    {
        // The shell stops the server when it is told so, or when its standard input ends with this process: then the folder goes, too.
        string[] command =
        [
            "-c", "folder=$1; shift; \"$@\" & server=$!; read -r told; kill -QUIT $server; wait $server; [ \"$told\" = stop ] || rm -rf \"$folder\"", "sh", _folder, .. _place?.Prefix ?? [], .. AsOwner(), Path.Combine(Programs!, "postgres"),
            "-D", Data, "-c", $"listen_addresses={Address}", "-p", _port.ToString(CultureInfo.InvariantCulture), "-k", _folder,
            "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=16MB",
            "-c", "logging_collector=off", "-c", "log_min_messages=fatal",
            .. _place is null ? Array.Empty<string>() : ["-c", "ssl=on", "-c", $"ssl_cert_file={_folder}/server.crt", "-c", $"ssl_key_file={_folder}/server.key"],
        ];
        var start = new ProcessStartInfo("sh", command) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true };
        _process = Process.Start(start)!;
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                await SqlAsync("postgres", "SELECT 1");
                return;
            }
            catch (NpgsqlException) when (!limit.IsCancellationRequested && !_process.HasExited)
            {
                await Task.Delay(50, limit.Token);
            }
        }
    }

    /// <summary>Stops the server as a crash would.</summary>
    public async Task StopAsync()
    {
        if (_process is null)
        {
            return;
        }

        try
        {
            await _process.StandardInput.WriteLineAsync("stop");
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended.
        }

        using var limit = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
        _process = null;
    }

    /// <summary>Makes an empty database.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await SqlAsync("postgres", $"CREATE DATABASE {name}");
        return name;
    }

    /// <summary>Deletes a database, whoever uses it.</summary>
    public Task DropDatabaseAsync(string name) => SqlAsync("postgres", $"DROP DATABASE {name} WITH (FORCE)");

    /// <summary>A database's address as people write it.</summary>
    public string Uri(string database, string user = User, string password = Password) =>
        $"postgresql://{user}:{System.Uri.EscapeDataString(password)}@{Address}:{_port}/{database}";

    /// <summary>Opens a connection beside the product's.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(string database)
    {
        // The socket is a file, which is there for every network namespace.
        var connection = new NpgsqlConnection($"Host={(_place is null ? Address : _folder)};Port={_port};Username={User};Password={Password};Database={database};Pooling=false;Timeout=5");
        try
        {
            await connection.OpenAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs SQL beside the product.</summary>
    /// <returns>The first value of the first row.</returns>
    public async Task<object?> SqlAsync(string database, string sql)
    {
        await using var connection = await ConnectAsync(database);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static string? FindPrograms()
    {
        string[] folders = Directory.Exists("/usr/lib/postgresql")
            ? [.. Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(folder => Path.Combine(folder, "bin"))]
            : [];
        return Array.Find([.. folders, .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')], folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres")));
    }

    // The server refuses to run as root.
    private static string[] AsOwner() => Environment.IsPrivilegedProcess ? ["setpriv", $"--reuid={Owner()}", "--clear-groups", "--"] : [];

    private static string Owner() => !Environment.IsPrivilegedProcess
        ? Environment.UserName
        : File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {error}{await output}");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

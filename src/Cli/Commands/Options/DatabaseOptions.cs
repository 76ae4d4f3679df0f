using System.CommandLine;
using Linformer.Coordinator;
using Linformer.Coordinator.Storage.Postgres;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options that name a coordinator's database.</summary>
internal sealed class DatabaseOptions
{
    private const string Variable = "LINFORMER_DATABASE";

    private readonly Option<PostgresAddress?> _database = new("--database")
    {
        Description = $"A PostgreSQL database in place of SQLite; what {Variable} says, other users of the machine do not see (default: {Variable}, or SQLite)",
        HelpName = "postgresql://USER:PASSWORD@HOST:PORT/NAME",
        CustomParser = result =>
        {
            try
            {
                return PostgresAddress.Parse(result.Tokens[0].Value);
            }
            catch (FormatException wrong)
            {
                result.AddError($"--database: {wrong.Message}");
                return null;
            }
        },
    };

    private readonly Option<double> _lease = new("--database-lease")
    {
        Description = "With PostgreSQL: a coordinator that does not reach the database for so long is replaced by one that stands by, 1 to 60",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => new CoordinatorOptions { DataFolder = "" }.DatabaseLease.TotalSeconds,
    };

    /// <summary>Prepares the options.</summary>
    public DatabaseOptions() => _lease.Validators.Add(result =>
    {
        if (result.TryGet<double>(out var value) && value is not (>= 1 and <= 60))
            result.AddError("--database-lease must be from 1 to 60.");
    });

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        AddAddressTo(command);
        command.Add(_lease);
    }

    /// <summary>Gives a command only the option that names the database.</summary>
    public void AddAddressTo(Command command) => command.Add(_database);

    /// <summary>The server; null for SQLite.</summary>
    /// <exception cref="CommandException">The environment names none.</exception>
    public PostgresAddress? Address(ParseResult parsed)
    {
        if (parsed.GetValue(_database) is { } given)
            return given;
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } text)
            return null;
        try
        {
            return PostgresAddress.Parse(text);
        }
        catch (FormatException wrong)
        {
            throw new CommandException($"{Variable}: {wrong.Message}");
        }
    }

    /// <summary>For how long the lease of a server's database is taken.</summary>
    public TimeSpan Lease(ParseResult parsed) => TimeSpan.FromSeconds(parsed.GetValue(_lease));
}

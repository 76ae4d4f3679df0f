using System.CommandLine;
using System.CommandLine.Completions;
using Grpc.Core;
using Linformer.Cli.Commands.Options;
using Linformer.Protocol.Security;
using Linformer.Protocol.V1;
using Serilog;

namespace Linformer.Cli.Cluster;

/// <summary>The options of commands that talk to a coordinator.</summary>
internal sealed class ClientOptions
{
    private const string CoordinatorVariable = "LINFORMER_COORDINATOR";
    private const string TokenVariable = "LINFORMER_TOKEN";
    private const string AuthoritiesVariable = "LINFORMER_CA";
    private static readonly TimeSpan CompletionTimeout = TimeSpan.FromSeconds(1);

    private readonly Option<CoordinatorAddresses> _coordinator = new("--coordinator")
    {
        Description = $"Where the coordinator answers; several after commas, where others stand by (default: {CoordinatorVariable}, or localhost:{CoordinatorAddress.DefaultPort})",
        HelpName = "[https://]HOST:PORT[,…]",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (CoordinatorAddresses.Parse(text) is { } addresses)
                return addresses;
            result.AddError($"--coordinator is '{text}'; {CoordinatorAddress.Allowed}");
            return null;
        },
    };

    private readonly Option<string?> _authorities = new("--ca")
    {
        Description = $"A PEM file with the authorities that the coordinator's certificate may come from; the connection is then by TLS (default: {AuthoritiesVariable}, or those of the system for https://)",
        HelpName = "FILE",
    };

    private readonly Option<string?> _tokenFile = new("--token-file")
    {
        Description = $"A file with your token, where the coordinator asks for one (default: the token in {TokenVariable})",
        HelpName = "FILE",
    };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        AddCoordinatorTo(command);
        command.Add(_tokenFile);
    }

    /// <summary>Gives a command only the options that tell where the coordinator is, and whom to believe that it is it.</summary>
    public void AddCoordinatorTo(Command command)
    {
        command.Add(_coordinator);
        command.Add(_authorities);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_authorities) is { Implicit: false }
                && result.GetResult(_coordinator) is { } coordinator && coordinator.TryGet<CoordinatorAddresses>(out var addresses)
                && addresses?.All.FirstOrDefault(address => address.Scheme == Uri.UriSchemeHttp) is { } plain)
                result.AddError($"--coordinator is '{plain}', which is without TLS, and --ca is for TLS; write https:// or leave one of them out.");
        });
    }

    /// <summary>The coordinators that a command line, or else the environment, names.</summary>
    public CoordinatorAddresses Addresses(ParseResult parsed)
    {
        var addresses = Named(parsed);
        return AuthoritiesFile(parsed) is null ? addresses : addresses.WithTls();
    }

    /// <summary>Whether the command line or the environment names a coordinator.</summary>
    public bool IsGiven(ParseResult parsed) =>
        parsed.GetValue(_coordinator) is not null || Environment.GetEnvironmentVariable(CoordinatorVariable) is { Length: > 0 };

    /// <summary>The file with the authorities to trust; null for those of the system.</summary>
    public string? AuthoritiesFile(ParseResult parsed) =>
        parsed.GetValue(_authorities) ?? (Environment.GetEnvironmentVariable(AuthoritiesVariable) is { Length: > 0 } file ? file : null);

    /// <summary>How TLS is done with a coordinator whose address is https.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="own">What this side shows of itself, if anything.</param>
    /// <param name="log">Is told when files were read again, and warned when they could not be; null for nobody.</param>
    /// <exception cref="CertificateException">The authorities cannot be read.</exception>
    public ClientTls Tls(ParseResult parsed, CertificateFile? own = null, ILogger? log = null) => new(
        AuthoritiesFile(parsed) is { } file ? new TrustFile(file, what => log?.Information("{What:l}", what), warn: what => log?.Warning("{What:l}", what)) : null,
        own);

    /// <summary>The token that a command line, or else the environment, gives; null for none.</summary>
    /// <exception cref="CommandException">The file cannot be read, or has none.</exception>
    public string? Token(ParseResult parsed) => parsed.GetValue(_tokenFile) is { } file
        ? TokenFile.Read(file)
        : Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } token ? TokenFile.Checked(token.Trim(), TokenVariable) : null;

    private CoordinatorAddresses Named(ParseResult parsed)
    {
        if (parsed.GetValue(_coordinator) is { } given)
            return given;
        if (Environment.GetEnvironmentVariable(CoordinatorVariable) is not { Length: > 0 } text)
            return CoordinatorAddresses.Of(new CoordinatorAddress("localhost", CoordinatorAddress.DefaultPort));
        return CoordinatorAddresses.Parse(text)
            ?? throw new CommandException($"{CoordinatorVariable} is '{text}'; {CoordinatorAddress.Allowed}");
    }

    /// <summary>An argument that names a job; the shell completes it from the coordinator's jobs.</summary>
    public Argument<string> JobArgument()
    {
        var job = new Argument<string>("JOB") { Description = "The job's id, or its name: then the newest of that name" };
        job.CompletionSources.Add(CompleteJobs);
        return job;
    }

    /// <summary>Runs a command with a connection. Errors of the call are told in plain words.</summary>
    /// <param name="command">The command, which gets the options too.</param>
    /// <param name="run">What it does; returns the exit code.</param>
    public void SetAction(Command command, Func<ClientSession, CancellationToken, Task<int>> run)
    {
        AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            using var session = Open(parsed);
            try
            {
                return await run(session, cancellation);
            }
            catch (RpcException) when (cancellation.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellation);
            }
            catch (RpcException error)
            {
                throw new CommandException(RpcErrors.Explain(error, session.Client.Addresses), error.Status.DebugException ?? error);
            }
        });
    }

    private ClientSession Open(ParseResult parsed) => new(
        parsed,
        CommandContext.Of(parsed),
        new CoordinatorClient(Addresses(parsed), Token(parsed), Tls(parsed)),
        $"{Again(parsed, _coordinator)}{Again(parsed, _authorities)}",
        Again(parsed, _tokenFile));

    // What was given on the command line is needed again; what the environment says is not.
    private static string Again<T>(ParseResult parsed, Option<T> option) =>
        parsed.GetResult(option) is { Implicit: false } ? $" {option.Name} {Shell.Quote($"{parsed.GetValue(option)}")}" : "";

    // A shell waits for this, so whatever goes wrong means: no suggestions.
    private IEnumerable<CompletionItem> CompleteJobs(CompletionContext context)
    {
        try
        {
            using var client = new CoordinatorClient(Addresses(context.ParseResult), Token(context.ParseResult), Tls(context.ParseResult));
            var jobs = client.Jobs.List(new ListJobsRequest { PageSize = 100 }, client.Call(CompletionTimeout, CancellationToken.None)).Jobs;
            return [.. jobs.SelectMany(job => new[] { job.Id, job.Name }).Distinct().Select(name => new CompletionItem(name))];
        }
        catch (Exception error) when (error is RpcException or CommandException or CertificateException or IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}

/// <summary>A command line with its connection.</summary>
/// <param name="Parsed">The command line.</param>
/// <param name="Context">How to write.</param>
/// <param name="Client">The connection.</param>
/// <param name="SameCoordinator">The options that reach the same coordinator again, with a leading space; or empty.</param>
/// <param name="SameToken">The option that gives the same token again, with a leading space; or empty.</param>
internal sealed record ClientSession(ParseResult Parsed, CommandContext Context, CoordinatorClient Client, string SameCoordinator, string SameToken) : IDisposable
{
    /// <summary>A command for the user to paste: "./linformer watch tiny-abcde".</summary>
    /// <param name="command">The command with its arguments.</param>
    public string Command(string command) => $"./linformer {command}{SameCoordinator}{SameToken}";

    /// <summary>The same for somebody who has another token.</summary>
    /// <param name="command">The command with its arguments.</param>
    public string CommandOfOthers(string command) => $"./linformer {command}{SameCoordinator}";

    /// <inheritdoc/>
    public void Dispose() => Client.Dispose();
}

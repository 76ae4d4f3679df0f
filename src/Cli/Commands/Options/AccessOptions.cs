using System.CommandLine;
using System.CommandLine.Parsing;
using Linformer.Cli.Hosting;
using Linformer.Coordinator;
using Linformer.Coordinator.Hosting;
using Linformer.Protocol.Security;
using Serilog;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options that say who may call a coordinator, and how much.</summary>
internal sealed class AccessOptions
{
    private const int MostJobs = 1_000_000;
    private const int MostCalls = 1_000_000;

    private static readonly Dictionary<string, AuthenticationMode> Modes = new()
    {
        ["network"] = AuthenticationMode.FromNetwork,
        ["always"] = AuthenticationMode.Always,
        ["never"] = AuthenticationMode.Never,
        ["never-even-from-network"] = AuthenticationMode.NeverEvenFromNetwork,
    };

    private readonly CertificateOptions _certificate = new("with which all of --listen is served by TLS", TrustFile.ServerPurpose);

    private readonly Option<string?> _workerAuthorities = new("--worker-ca")
    {
        Description = "A PEM file with authorities whose client certificates let workers join without the join token",
        HelpName = "FILE",
    };

    private readonly Option<AuthenticationMode> _authentication = new("--authentication")
    {
        Description = "Who has to show a token: those who come in from the network, always everybody, never anybody (on loopback only), or in so many words never-even-from-network (default: network)",
        HelpName = string.Join('|', Modes.Keys),
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (!Modes.TryGetValue(text, out var mode))
                result.AddError($"--authentication is '{text}'; allowed are {string.Join(", ", Modes.Keys)}.");
            return mode;
        },
    };

    private readonly Option<string?> _joinTokenFile = new("--join-token-file")
    {
        Description = "A file with the tokens with which workers may join, one a line; read again when it changes (default: join-token in --coordinator-folder, which is made)",
        HelpName = "FILE",
    };

    private readonly Option<string?> _adminTokenFile = new("--admin-token-file")
    {
        Description = "A file with tokens of the first admin, one a line; read again when it changes (default: user-token in --coordinator-folder, which is made)",
        HelpName = "FILE",
    };

    private readonly Option<int> _jobs = CountOption.Create(
        "--max-jobs-per-user", "Jobs of one user that have not ended; 0 for no limit", new UserLimits().UnfinishedJobs, MostJobs, least: 0);

    private readonly Option<int> _calls = CountOption.Create(
        "--max-calls-per-second", "Calls of one user on average; 0 for no limit", new UserLimits().CallsPerSecond, MostCalls, least: 0);

    /// <summary>Gives a command the options.</summary>
    /// <param name="command">The command.</param>
    /// <param name="listen">Where it listens.</param>
    public void AddTo(Command command, Option<string[]> listen)
    {
        _certificate.AddTo(command);
        foreach (var option in (Option[])[_workerAuthorities, _authentication, _joinTokenFile, _adminTokenFile, _jobs, _calls])
            command.Add(option);
        command.Validators.Add(result => Check(result, listen));
    }

    /// <summary>The options of a coordinator with what these say.</summary>
    /// <param name="options">The others.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="log">Is told when a certificate was read again, and warned of what is wrong with files.</param>
    /// <exception cref="CertificateException">A certificate cannot be used.</exception>
    public CoordinatorOptions Apply(CoordinatorOptions options, ParseResult parsed, ILogger log)
    {
        SecretFiles.WarnIfOpen(log, parsed.GetValue(_joinTokenFile), parsed.GetValue(_adminTokenFile));
        return options with
        {
            Certificate = _certificate.Load(parsed, log),
            WorkerAuthorities = parsed.GetValue(_workerAuthorities) is { } file
                ? new TrustFile(file, what => log.Information("{What:l}", what), warn: what => log.Warning("{What:l}", what))
                : null,
            Authentication = parsed.GetValue(_authentication),
            JoinTokenFile = FullPath(parsed.GetValue(_joinTokenFile)),
            AdminTokenFile = FullPath(parsed.GetValue(_adminTokenFile)),
            Limits = options.Limits with { UnfinishedJobs = parsed.GetValue(_jobs), CallsPerSecond = parsed.GetValue(_calls) },
        };
    }

    private void Check(CommandResult result, Option<string[]> listen)
    {
        if (result.GetResult(_workerAuthorities) is not null && !_certificate.IsGiven(result))
            result.AddError("--worker-ca is for connections by TLS: give --tls-certificate and --tls-key, too.");
        if (result.GetResult(_authentication) is { } authentication && authentication.TryGet<AuthenticationMode>(out var mode) && mode == AuthenticationMode.Never
            && result.GetResult(listen)?.Tokens.FirstOrDefault(token => !IsLoopback(token.Value)) is { } beyond)
            result.AddError($"--authentication is 'never' and --listen is {beyond.Value}, which others reach; listen on localhost, or say never-even-from-network if everybody there may do everything.");
    }

    // What is no address is told by its own option.
    private static bool IsLoopback(string text)
    {
        try
        {
            return ListenAddress.Parse(text).IsLoopback;
        }
        catch (FormatException)
        {
            return true;
        }
    }

    private static string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);
}

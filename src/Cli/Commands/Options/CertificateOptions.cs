using System.CommandLine;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options <c>--tls-certificate</c> and <c>--tls-key</c>: what a coordinator or worker shows of itself.</summary>
/// <param name="purpose">What the certificate is for: the end of a sentence.</param>
internal sealed class CertificateOptions(string purpose)
{
    private readonly Option<string?> _certificate = new("--tls-certificate")
    {
        Description = $"A certificate in PEM, with those of the authorities in between, {purpose}; read again when the file changes",
        HelpName = "FILE",
    };

    private readonly Option<string?> _key = new("--tls-key") { Description = "Its private key in PEM, not encrypted", HelpName = "FILE" };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_certificate);
        command.Add(_key);
        command.Validators.Add(result =>
        {
            if (IsGiven(result) != result.GetResult(_key) is not null)
                result.AddError("--tls-certificate and --tls-key belong together: give both or none.");
        });
    }

    /// <summary>Whether a certificate is given.</summary>
    public bool IsGiven(System.CommandLine.Parsing.CommandResult result) => result.GetResult(_certificate) is not null;

    /// <summary>Reads the certificate; null for none.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="report">Is told when it was read again.</param>
    /// <exception cref="CertificateException">The files cannot be used.</exception>
    public CertificateFile? Load(ParseResult parsed, Action<string> report) =>
        parsed.GetValue(_certificate) is { } certificate ? new CertificateFile(certificate, parsed.GetValue(_key)!, report) : null;
}

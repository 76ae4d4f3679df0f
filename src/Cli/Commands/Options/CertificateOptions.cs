using System.CommandLine;
using Linformer.Cli.Hosting;
using Linformer.Protocol.Security;
using Serilog;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options <c>--tls-certificate</c> and <c>--tls-key</c>: what a coordinator or worker shows of itself.</summary>
/// <param name="words">What the certificate is for: the end of a sentence.</param>
/// <param name="purpose">What it has to be for.</param>
internal sealed class CertificateOptions(string words, string purpose)
{
    private readonly Option<string?> _certificate = new("--tls-certificate")
    {
        Description = $"A certificate in PEM, with those of the authorities in between, {words}; read again when the file changes",
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
    /// <param name="log">Is told when it was read again, and warned when it could not be, or when nobody will accept it.</param>
    /// <exception cref="CertificateException">The files cannot be used.</exception>
    public CertificateFile? Load(ParseResult parsed, ILogger log)
    {
        if (parsed.GetValue(_certificate) is not { } certificate)
            return null;
        var key = parsed.GetValue(_key)!;
        SecretFiles.WarnIfOpen(log, key);
        return new CertificateFile(certificate, key, what => log.Information("{What:l}", what), warn: what => log.Warning("{What:l}", what), purpose: purpose);
    }
}

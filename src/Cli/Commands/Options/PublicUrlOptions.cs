using System.CommandLine;
using Linformer.Coordinator.Hosting;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options that say how browsers come to the dashboard from elsewhere.</summary>
internal sealed class PublicUrlOptions
{
    private readonly Option<string[]> _urls = new("--public-url")
    {
        Description = "Where browsers reach the dashboard if not at --http itself, such as a proxy's address; may be given several times",
        HelpName = "URL",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<bool> _strict = new("--hsts")
    {
        Description = "Has browsers that came by TLS use nothing else with the host's name for a year, on all its ports",
    };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        _urls.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                try
                {
                    PublicAddress.Parse(token.Value);
                }
                catch (FormatException wrong)
                {
                    result.AddError($"--public-url: {wrong.Message}");
                }
            }
        });
        command.Add(_urls);
        command.Add(_strict);
    }

    /// <summary>The addresses.</summary>
    public IReadOnlyList<string> Urls(ParseResult parsed) => parsed.GetValue(_urls)!;

    /// <summary>Whether browsers are held to TLS.</summary>
    public bool IsStrict(ParseResult parsed) => parsed.GetValue(_strict);
}

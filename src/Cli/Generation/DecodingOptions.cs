using System.CommandLine;
using Linformer.Cli.Commands.Options;
using Linformer.Model.Generation;

namespace Linformer.Cli.Generation;

/// <summary>The options that say how text is generated.</summary>
internal sealed class DecodingOptions
{
    private readonly Option<int> _maximumTokens = new("--max-tokens") { Description = "Most tokens to generate", HelpName = "N" };
    private readonly Option<int?> _beams = new("--beams") { Description = "Keep the N likeliest sequences: beam search", HelpName = "N" };
    private readonly Option<double> _lengthPenalty = new("--length-penalty")
    {
        Description = "Exponent of a beam's length: above 0 longer texts win more often",
        HelpName = "A",
        DefaultValueFactory = _ => new GenerationOptions().LengthPenalty,
    };

    private readonly Option<double?> _topP = new("--top-p") { Description = "Draw from the likeliest tokens that make up probability P: nucleus sampling", HelpName = "P" };
    private readonly Option<double?> _temperature = new("--temperature") { Description = "Draw, with logits divided by T; below 1 the likely become likelier", HelpName = "T" };
    private readonly Option<long?> _seed = new("--seed") { Description = "Draw; the same seed draws the same", HelpName = "N" };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="maximumTokens">The default of --max-tokens.</param>
    public DecodingOptions(Command command, int maximumTokens)
    {
        _maximumTokens.DefaultValueFactory = _ => maximumTokens;
        command.Options.Add(_maximumTokens);
        command.Options.Add(_beams);
        command.Options.Add(_lengthPenalty);
        command.Options.Add(_topP);
        command.Options.Add(_temperature);
        command.Options.Add(_seed);
        Require(_maximumTokens, tokens => tokens >= 1, "at least 1");
        Require(_beams, beams => beams is null or (>= 1 and <= 1000), "from 1 to 1000");
        Require(_lengthPenalty, penalty => penalty is >= 0 and <= 10, "from 0 to 10");
        Require(_topP, share => share is null or (> 0 and <= 1), "above 0 and at most 1");
        Require(_temperature, temperature => temperature is null or (> 0 and <= 1000), "above 0 and at most 1000; for the likeliest token each time give none of --temperature, --top-p and --seed");
        command.Validators.Add(result =>
        {
            Option[] drawing = [_topP, _temperature, _seed];
            if (Array.Exists(drawing, option => result.GetResult(option) is not null) && result.GetResult(_beams) is not null)
            {
                result.AddError("--beams keeps the likeliest sequences, and --top-p, --temperature and --seed draw: give one or the other.");
            }
        });
    }

    /// <summary>What the command line says: greedy, unless it asks for a beam or to draw.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="end">The token that ends a text.</param>
    public GenerationOptions Read(ParseResult parsed, int end)
    {
        var (topP, temperature, seed, beams) = (parsed.GetValue(_topP), parsed.GetValue(_temperature), parsed.GetValue(_seed), parsed.GetValue(_beams));
        var options = new GenerationOptions
        {
            Kind = beams is not null ? DecodingKind.Beam : topP is not null || temperature is not null || seed is not null ? DecodingKind.Nucleus : DecodingKind.Greedy,
            MaximumTokens = parsed.GetValue(_maximumTokens),
            EndToken = end,
            LengthPenalty = parsed.GetValue(_lengthPenalty),
            Temperature = temperature ?? 1,
            Seed = seed ?? 0,
        };
        return options with { Beams = beams ?? options.Beams, TopP = topP ?? options.TopP };
    }

    private static void Require<T>(Option<T> option, Func<T?, bool> holds, string allowed) => option.Validators.Add(result =>
    {
        if (result.TryGet<T>(out var value) && !holds(value))
        {
            result.AddError(FormattableString.Invariant($"{option.Name} is {value}; it must be {allowed}."));
        }
    });
}

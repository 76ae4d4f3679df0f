using System.CommandLine;
using System.Globalization;

namespace Linformer.Cli.Commands.Options;

/// <summary>Options that count something.</summary>
internal static class CountOption
{
    /// <summary>An option that takes a whole number.</summary>
    /// <param name="name">Its name, with dashes.</param>
    /// <param name="description">What is counted.</param>
    /// <param name="standard">What it is unless it is given.</param>
    /// <param name="most">The largest that is allowed.</param>
    /// <param name="least">The smallest that is allowed.</param>
    public static Option<int> Create(string name, string description, int standard, int most, int least = 1)
    {
        return new Option<int>(name)
        {
            Description = $"{description}, {least} to {most}",
            HelpName = "N",
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
                    return value;
                result.AddError($"{name} is {text}; allowed are {least} to {most}.");
                return standard;
            },
        };
    }
}

using System.CommandLine;
using System.Globalization;

namespace Linformer.Cli.Commands.Options;

/// <summary>Options that say how fast a link is: <c>100gbit</c>, as tc writes it.</summary>
internal static class LinkSpeed
{
    private static readonly (string Unit, double Scale)[] Units = [("gbit", 1e9), ("mbit", 1e6)];

    /// <summary>An option that takes a speed, in bits per second.</summary>
    /// <param name="name">Its name, with dashes.</param>
    /// <param name="description">What it is of.</param>
    /// <param name="standard">What it is unless it is given.</param>
    public static Option<double> Create(string name, string description, string standard) => new(name)
    {
        Description = $"{description} (default: {standard})",
        HelpName = "SPEED",
        DefaultValueFactory = _ => Parse(standard)!.Value,
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (Parse(text) is { } speed)
                return speed;
            result.AddError($"{name} is '{text}'; a number with gbit or mbit is expected, such as {standard}, up to 100000gbit.");
            return 0;
        },
    };

    private static double? Parse(string text)
    {
        foreach (var (unit, scale) in Units)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(text[..^unit.Length].Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number * scale is > 0 and <= 1e14)
                return number * scale;
        }

        return null;
    }
}

using System.CommandLine;
using System.Globalization;

namespace Linformer.Cli.Commands.Options;

/// <summary>Options that are a time in seconds.</summary>
internal static class SecondsOption
{
    /// <summary>An option that takes a number of seconds.</summary>
    /// <param name="name">Its name, with dashes.</param>
    /// <param name="description">What takes so long.</param>
    /// <param name="standard">What it is unless it is given.</param>
    /// <param name="least">The shortest that is allowed.</param>
    /// <param name="most">The longest that is allowed.</param>
    public static Option<Seconds> Create(string name, string description, TimeSpan standard, TimeSpan least, TimeSpan most)
    {
        var range = string.Create(CultureInfo.InvariantCulture, $"{least.TotalSeconds} to {most.TotalSeconds}");
        return new Option<Seconds>(name)
        {
            Description = $"{description}, {range}",
            HelpName = "SECONDS",
            DefaultValueFactory = _ => new Seconds(standard),
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
                    && seconds >= least.TotalSeconds && seconds <= most.TotalSeconds)
                    return new Seconds(TimeSpan.FromSeconds(seconds));
                result.AddError($"{name} is {text}; allowed are {range} seconds.");
                return new Seconds(standard);
            },
        };
    }
}

/// <summary>A time as the command line has it, also where help shows a default.</summary>
/// <param name="Time">The time.</param>
internal readonly record struct Seconds(TimeSpan Time)
{
    /// <summary>The number of seconds.</summary>
    public override string ToString() => Time.TotalSeconds.ToString(CultureInfo.InvariantCulture);
}

using System.CommandLine;

namespace Linformer.Cli.Commands;

/// <summary>Options that count something.</summary>
internal static class CountOption
{
    /// <summary>An option that takes a number from 1 on.</summary>
    /// <param name="name">Its name, with dashes.</param>
    /// <param name="description">What is counted.</param>
    /// <param name="standard">What it is unless it is given.</param>
    /// <param name="most">The largest that is allowed.</param>
    public static Option<int> Create(string name, string description, int standard, int most)
    {
        var option = new Option<int>(name) { Description = $"{description}, 1 to {most}", HelpName = "N", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && (value < 1 || value > most))
                result.AddError($"{name} is {value}; allowed are 1 to {most}.");
        });
        return option;
    }
}

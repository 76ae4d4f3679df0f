using System.CommandLine;

namespace Linformer.Cli.Classification;

/// <summary><c>--pairs</c>: whether each text is two.</summary>
internal static class PairsOption
{
    private const char Mark = '\t';

    /// <summary>The option.</summary>
    public static Option<bool> Create() => new("--pairs") { Description = "Each text is a pair: two texts parted by a tab" };

    /// <summary>Texts, each with the second of its pair if it is one.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="pairs">Whether each is a pair.</param>
    /// <exception cref="CommandException">A pair has no tab, or several.</exception>
    public static IEnumerable<(string Text, string? Pair)> Split(IEnumerable<string> texts, bool pairs)
    {
        var number = 0;
        foreach (var text in texts)
        {
            number++;
            if (!pairs)
                yield return (text, null);
            else if (text.Split(Mark) is [var first, var second])
                yield return (first, second);
            else
                throw new CommandException($"Text {number} is no pair: --pairs needs two texts with one tab between them.");
        }
    }
}

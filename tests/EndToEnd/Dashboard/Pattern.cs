using System.Text.RegularExpressions;

namespace EndToEnd.Dashboard;

/// <summary>Patterns for what a page shows.</summary>
internal static class Pattern
{
    public static Regex Of(string pattern) => new(pattern, RegexOptions.None, TimeSpan.FromSeconds(1));
}

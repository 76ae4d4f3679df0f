using System.CommandLine.Parsing;

namespace Linformer.Cli.Commands.Options;

/// <summary>Values of options for those that check them.</summary>
internal static class OptionValues
{
    /// <summary>The value; false when the text is none of that type, which the parser tells by itself.</summary>
    public static bool TryGet<T>(this OptionResult result, out T? value)
    {
        try
        {
            value = result.GetValueOrDefault<T>();
            return true;
        }
        catch (InvalidOperationException)
        {
            value = default;
            return false;
        }
    }
}

namespace Linformer.Worker.Agents;

/// <summary>Texts in messages are bounded.</summary>
internal static class Cut
{
    /// <summary>At most so many characters of a text, with an ellipsis for the rest.</summary>
    public static string To(string text, int length)
    {
        if (text.Length <= length)
        {
            return text;
        }

        // Half a character is not valid text.
        var end = char.IsHighSurrogate(text[length - 2]) ? length - 2 : length - 1;
        return text[..end] + "…";
    }
}

using System.Text;

namespace Linformer.Cli.Demo;

/// <summary>Turns the Brown corpus's tagged words (<c>The/at jury/nn said/vbd ,/,</c>) back into text.</summary>
public static class BrownText
{
    /// <summary>Strips the tags and sets the spaces as a writer would.</summary>
    /// <param name="tagged">A file of the corpus: words with tags, separated by white space.</param>
    /// <returns>The text in one line.</returns>
    public static string Strip(string tagged)
    {
        var text = new StringBuilder(tagged.Length / 2);
        var attached = true; // whether the next word follows without a space
        foreach (var item in tagged.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            var slash = item.LastIndexOf('/'); // a word may hold slashes itself: 1/2/cd
            var word = slash > 0 ? item[..slash] : item;
            var closes = word is "''" or "." or "," or ";" or ":" or "?" or "!" or ")";
            if (!attached && !closes)
            {
                text.Append(' ');
            }

            text.Append(word is "``" or "''" ? "\"" : word);
            attached = word is "``" or "(";
        }

        return text.ToString();
    }
}

using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Linformer.Coordinator.Access;

/// <summary>
/// Blanks tokens of the bootstrap files in texts from outside, since people paste them where a name belongs. Those that this
/// program makes show themselves by their beginning; those of others look like any word, so that the words are compared.
/// </summary>
internal sealed partial class TokenMask(BootstrapTokens bootstrap)
{
    private const string Blank = "***";

    /// <summary>A text without them.</summary>
    public string Text(string text) => text.Length < TokenFile.ShortestToken ? text : Word().Replace(text, word => Masked(word.Value));

    /// <summary>Takes them out of all texts of a message: none gets into a log, a table, a history or an answer then.</summary>
    public void Apply(IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            switch (field.FieldType)
            {
                case FieldType.String when field.IsRepeated:
                    var texts = (IList<string>)field.Accessor.GetValue(message);
                    for (var i = 0; i < texts.Count; i++)
                        texts[i] = Text(texts[i]);
                    break;
                case FieldType.String when field.Accessor.GetValue(message) is string { Length: >= TokenFile.ShortestToken } text:
                    field.Accessor.SetValue(message, Text(text));
                    break;
                case FieldType.Message when field is { IsRepeated: true, IsMap: false }:
                    foreach (var one in (System.Collections.IList)field.Accessor.GetValue(message))
                        Apply((IMessage)one!);
                    break;
                case FieldType.Message when !field.IsRepeated && field.Accessor.GetValue(message) is IMessage part:
                    Apply(part);
                    break;
                default:
                    break;
            }
        }
    }

    // What stands around a pasted token may look like a part of it: NAME=TOKEN, or the full stop after it.
    private string Masked(string word)
    {
        if (word.Length > 2 * TokenFile.LongestToken)
            return word;
        var value = word[(word.IndexOf('=') + 1)..];
        return Is(word) || Is(word.TrimEnd('.')) || Is(value) || Is(value.TrimEnd('.')) ? Blank : word;
    }

    private bool Is(string word)
    {
        if (word.Length < TokenFile.ShortestToken)
            return false;
        var hash = TokenText.Hash(word);
        return bootstrap.Join.Has(hash) | bootstrap.Admin.Has(hash);
    }

    [GeneratedRegex("[A-Za-z0-9._~+/=-]{16,}", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Word();
}

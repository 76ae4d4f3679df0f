using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

/// <summary>
/// Byte-level BPE written out plainly from a <c>tokenizer.json</c>: words one character after the other, merges one after the
/// other over the whole word, nothing remembered. What the tokenizer gives is compared with it.
/// </summary>
internal sealed class SlowByteBpe
{
    private const int LongestWord = 1 << 20;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges = [];
    private readonly int[] _byteIds;
    private readonly bool _addPrefixSpace;

    public SlowByteBpe(ByteBpeTokenizer tokenizer)
    {
        using var folder = new TestFolder();
        tokenizer.Save(folder.At("tokenizer.json"));
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.At("tokenizer.json")));
        var model = json.RootElement.GetProperty("model");
        _ids = model.GetProperty("vocab").EnumerateObject().ToDictionary(token => token.Name, token => token.Value.GetInt32());
        _byteIds = [.. Enumerable.Range(0, 256).Select(b => _ids[Letter(b)])];
        _addPrefixSpace = json.RootElement.GetProperty("pre_tokenizer").GetProperty("add_prefix_space").GetBoolean();
        foreach (var merge in model.GetProperty("merges").EnumerateArray())
        {
            var (left, right) = merge.ValueKind == JsonValueKind.String
                ? (merge.GetString()!.Split(' ')[0], merge.GetString()!.Split(' ')[1])
                : (merge[0].GetString()!, merge[1].GetString()!);
            _merges.TryAdd((_ids[left], _ids[right]), (_merges.Count, _ids[left + right]));
        }
    }

    private enum Kind
    {
        End,
        Other,
        Letter,
        Number,
        Space,
    }

    public int[] Encode(byte[] text)
    {
        text = _addPrefixSpace && text.Length > 0 && text[0] != ' ' ? [(byte)' ', .. text] : text;
        var tokens = new List<int>();
        for (var position = 0; position < text.Length;)
        {
            var length = WordLength(text.AsSpan(position));
            tokens.AddRange(Merge(text.AsSpan(position, length)));
            position += length;
        }

        return [.. tokens];
    }

    // GPT-2's letters of the bytes, as its authors published the rule.
    private static string Letter(int value)
    {
        static bool Printable(int b) => b is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
        return ((char)(Printable(value) ? value : 256 + Enumerable.Range(0, value).Count(b => !Printable(b)))).ToString();
    }

    private static int WordLength(ReadOnlySpan<byte> text)
    {
        foreach (var contraction in (string[])["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"])
        {
            if (text.StartsWith(Encoding.UTF8.GetBytes(contraction)))
            {
                return contraction.Length;
            }
        }

        var kind = KindAt(text, out var length);
        if (text[0] == ' ' && KindAt(text[1..], out var following) is var after and not (Kind.Space or Kind.End))
        {
            (kind, length) = (after, 1 + following);
        }

        var last = length;
        while (length < LongestWord && KindAt(text[length..], out var next) == kind)
        {
            last = next;
            length += next;
        }

        // Before other characters the last one of white space belongs to them, unless it is the only one.
        var stops = kind != Kind.Space || length >= LongestWord || length == text.Length || length == last;
        return stops ? length : length - last;
    }

    private static Kind KindAt(ReadOnlySpan<byte> text, out int length)
    {
        length = 1;
        if (text.IsEmpty)
        {
            return Kind.End;
        }

        if (Rune.DecodeFromUtf8(text, out var rune, out length) != OperationStatus.Done)
        {
            return Kind.Other;
        }

        return Rune.IsWhiteSpace(rune) ? Kind.Space
            : Rune.IsLetter(rune) ? Kind.Letter
            : Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber ? Kind.Number
            : Kind.Other;
    }

    private List<int> Merge(ReadOnlySpan<byte> word)
    {
        var symbols = word.ToArray().Select(b => _byteIds[b]).ToList();
        while (true)
        {
            var (best, id, place) = (int.MaxValue, 0, -1);
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                if (_merges.TryGetValue((symbols[i], symbols[i + 1]), out var merge) && merge.Rank < best)
                {
                    (best, id, place) = (merge.Rank, merge.Id, i);
                }
            }

            if (place < 0)
            {
                return symbols;
            }

            symbols[place] = id;
            symbols.RemoveAt(place + 1);
        }
    }
}

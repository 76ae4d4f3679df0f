using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

/// <summary>What is encoded with tables and a memory of words is what the plain rules give.</summary>
public class EncodingTests
{
    private static readonly string[] Pieces =
    [
        " ", "  ", "\n", "\t", "\r\n", "\u00A0", "\u2003", "\u3000", "\u0085", "'", "'s", "'ll", "'re", "'S", "’s", ".", "...", "!?", "<mask>", "0", "12", "٣٤", "½", "Ⅷ",
        "a", "the", " the", "Water", "understanding", "é", "ß", "Ünï", "жизнь", "λόγος", "עברית", "हिन्दी", "ไทย", "日本", "한국어", "𝔘𝔫", "𝟙", "𠀀", "😀", "👩‍👧", "e\u0301", "\u200B", "\uFFFD", "\uFEFF",
    ];

    private static readonly ByteBpeTokenizer English = SomeTokenizer.Make();
    private static readonly ByteBpeTokenizer Mixed = Train(900, addPrefixSpace: false);
    private static readonly ByteBpeTokenizer Prefixed = Train(700, addPrefixSpace: true);
    private static readonly SlowByteBpe SlowMixed = new(Mixed);

    [Fact]
    public void Texts_of_all_scripts_get_the_tokens_of_the_plain_rules() => CheckAll(
        from count in Gen.Choose(0, 60)
        from pieces in Gen.ArrayOf(Gen.Elements(Pieces), count)
        select Encoding.UTF8.GetBytes(string.Concat(pieces)));

    [Fact]
    public void Bytes_that_are_no_text_get_the_tokens_of_the_plain_rules()
    {
        // The first and last bytes of each range of UTF-8, so that every way to break it comes up.
        byte[] borders = [0x00, 0x20, 0x27, 0x41, 0x7A, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xC3, 0xDF, 0xE0, 0xE1, 0xE3, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF];
        CheckAll(
            from count in Gen.Choose(0, 80)
            from bytes in Gen.ArrayOf(Gen.Elements(borders), count)
            select bytes);
        CheckAll(
            from count in Gen.Choose(0, 80)
            from bytes in Gen.ArrayOf(Gen.Choose(0, 255), count)
            select Array.ConvertAll(bytes, b => (byte)b));
    }

    [Fact]
    public void Words_of_every_length_get_the_tokens_of_the_plain_rules_wherever_the_text_ends()
    {
        foreach (var letter in (string[])["a", "t", "é", "水", "7", "-"])
        {
            for (var count = 1; count <= 140; count++)
            {
                foreach (var (before, after) in ((string, string)[])[("", ""), (" ", ""), (" ", " x"), ("the ", ", and so on, for longer than is looked at in one go"), ("", "é"), (" ", "\u00A0")])
                {
                    Check(Mixed, Encoding.UTF8.GetBytes(before + string.Concat(Enumerable.Repeat(letter, count)) + after));
                    Check(Mixed, Encoding.UTF8.GetBytes(before + Alternating(letter, count) + after));
                }
            }
        }
    }

    [Fact]
    public void Each_character_is_the_kind_that_it_is()
    {
        // Between letters a letter goes on with the word, and after a space and a digit a number with the number.
        for (var character = 0; character <= 0x10FFFF; character += character < 0x3100 ? 1 : 97)
        {
            if (Rune.IsValid(character))
            {
                Check(Mixed, Encoding.UTF8.GetBytes($"a{new Rune(character)}a 1{new Rune(character)}  {new Rune(character)}"));
            }
        }
    }

    [Fact]
    public void More_words_than_are_remembered_get_the_tokens_of_the_plain_rules()
    {
        var random = new Random(4);
        var tokenizer = Train(500, addPrefixSpace: false);
        var slow = new SlowByteBpe(tokenizer);
        for (var round = 0; round < 4; round++)
        {
            var text = new StringBuilder();
            for (var i = 0; i < 60_000; i++)
            {
                // Some come again and again, most are new, some too long to be remembered or of too many tokens.
                text.Append(' ').Append(random.Next(4) switch
                {
                    0 => Pieces[random.Next(Pieces.Length)],
                    1 => Convert.ToHexStringLower(BitConverter.GetBytes(random.NextInt64())),
                    2 => random.Next(100_000).ToString(),
                    _ => new string((char)('a' + random.Next(26)), random.Next(1, 40)) + (char)('a' + random.Next(26)),
                });
            }

            var bytes = Encoding.UTF8.GetBytes(text.ToString());
            tokenizer.Encode(bytes).ShouldBe(slow.Encode(bytes));
        }
    }

    [Fact]
    public void Tokens_go_behind_those_that_a_list_holds()
    {
        var tokens = new List<int> { 7, 8 };
        var text = Encoding.UTF8.GetBytes(SomeText.Make(2000, 5));
        English.Encode(text, tokens);
        English.Encode([], tokens);
        English.Encode("the"u8, tokens);
        tokens.ShouldBe([7, 8, .. English.Encode(text), .. English.Encode("the"u8)]);
    }

    [Fact]
    public void Text_that_goes_on_gets_no_space()
    {
        var tokens = new List<int>();
        Prefixed.Encode("the river"u8, tokens);
        Prefixed.Encode("side"u8, tokens, continues: true);
        Prefixed.DecodeText([.. tokens]).ShouldBe(" the riverside");
        Prefixed.DecodeText(Prefixed.Encode("side")).ShouldBe(" side");
    }

    private static void CheckAll(Gen<byte[]> texts)
    {
        foreach (var tokenizer in (ByteBpeTokenizer[])[English, Mixed, Prefixed])
        {
            var slow = new SlowByteBpe(tokenizer);
            Prop.ForAll(texts.ToArbitrary(), text => tokenizer.Encode(text).AsSpan().SequenceEqual(slow.Encode(text)))
                .Check(Config.QuickThrowOnFailure.WithMaxTest(700));
        }
    }

    private static void Check(ByteBpeTokenizer tokenizer, byte[] text) =>
        tokenizer.Encode(text).ShouldBe(SlowMixed.Encode(text), Convert.ToHexString(text));

    private static string Alternating(string letter, int count) =>
        string.Concat(Enumerable.Range(0, count).Select(i => i % 3 == 1 && char.IsLetter(letter, 0) ? "e" : letter));

    private static ByteBpeTokenizer Train(int vocabularySize, bool addPrefixSpace)
    {
        var trainer = new ByteBpeTrainer(vocabularySize, addPrefixSpace: addPrefixSpace);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(5000, 1)));
        var random = new Random(2);
        for (var i = 0; i < 3000; i++)
        {
            trainer.Add(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => Pieces[random.Next(Pieces.Length)]))));
        }

        trainer.Add(Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(1, 90).Select(length => Alternating("a", length) + Alternating("é", length)))));
        return trainer.Train();
    }
}

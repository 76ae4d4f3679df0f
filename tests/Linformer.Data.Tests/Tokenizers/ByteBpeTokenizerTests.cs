using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

public class ByteBpeTokenizerTests
{
    private static readonly ByteBpeTokenizer Tokenizer = Train(600);

    [Fact]
    public void Any_bytes_come_back_exactly() =>
        Prop.ForAll<byte[]>(bytes => Tokenizer.Decode(Tokenizer.Encode(bytes)).AsSpan().SequenceEqual(bytes))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Bytes_that_are_nearly_UTF8_come_back_exactly()
    {
        // Cut, swapped and stray bytes in valid text, which random bytes alone hardly hit.
        var text = Encoding.UTF8.GetBytes("Grüße, 世界! 𝔘𝔫𝔦 👩‍👩‍👧 it's   1234\r\n\t x");
        for (var i = 0; i < text.Length; i++)
        {
            byte[][] variants = [text[..i], text[i..], [.. text[..i], 0xC3, .. text[i..]], [.. text[..i], 0xFF, 0x20, .. text[i..]], [.. text[..i], 0xED, 0xA0, 0x80, .. text[i..]]];
            foreach (var variant in variants)
            {
                Tokenizer.Decode(Tokenizer.Encode(variant)).ShouldBe(variant);
            }
        }
    }

    [Fact]
    public void Text_is_shortened_and_comes_back()
    {
        var text = SomeText.Make(500, seed: 9);
        var tokens = Tokenizer.Encode(text);
        tokens.Length.ShouldBeLessThan(text.Length / 2);
        Tokenizer.DecodeText(tokens).ShouldBe(text);
    }

    [Fact]
    public void Special_tokens_have_their_ids_and_all_bytes_are_tokens()
    {
        var special = Tokenizer.Special;
        (special.Begin, special.Pad, special.Separator, special.Unknown, special.Mask).ShouldBe((0, 1, 2, 3, 4));
        special.Ids.ShouldBe([0, 1, 2, 3, 4]);
        var bytes = Enumerable.Range(0, 256).Select(b => Tokenizer.Encode([(byte)b]).ShouldHaveSingleItem()).ToArray();
        bytes.Distinct().Count().ShouldBe(256);
        bytes.ShouldAllBe(id => id >= 5 && id <= 260);
    }

    [Fact]
    public void Names_of_special_tokens_in_text_are_text()
    {
        const string Text = "<s> <mask></s><pad> <unk>";
        var tokens = Tokenizer.Encode(Text);
        tokens.ShouldNotContain(token => Tokenizer.Special.Contains(token));
        Tokenizer.DecodeText(tokens).ShouldBe(Text);

        // Even when the text is full of them when the tokenizer is trained.
        var trainer = new ByteBpeTrainer(400);
        trainer.Add(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("<mask><s> <mask> </s>", 100))));
        var trained = trainer.Train();
        trained.Encode("<mask>").ShouldNotContain(token => trained.Special.Contains(token));
        trained.DecodeText(trained.Encode(Text)).ShouldBe(Text);
    }

    [Fact]
    public void Special_tokens_are_skipped_or_named_when_decoded()
    {
        int[] tokens = [0, .. Tokenizer.Encode("a"), 4, 2];
        Tokenizer.DecodeText(tokens).ShouldBe("a");
        Tokenizer.DecodeText(tokens, skipSpecial: false).ShouldBe("<s>a<mask></s>");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1_000_000)]
    public void An_id_outside_the_vocabulary_is_named(int id) =>
        Should.Throw<ArgumentOutOfRangeException>(() => Tokenizer.Decode([id])).Message.ShouldContain($"no token {id}");

    [Fact]
    public void A_prefix_space_makes_the_first_word_like_the_others()
    {
        var trainer = new ByteBpeTrainer(600, addPrefixSpace: true);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(2000, 1)));
        var tokenizer = trainer.Train();
        tokenizer.Encode("the the").ShouldBe(tokenizer.Encode(" the the"));
        tokenizer.Encode("the the")[0].ShouldBe(tokenizer.Encode("the the")[1]);
        Tokenizer.Encode("the").ShouldNotBe(Tokenizer.Encode(" the"));
    }

    [Fact]
    public void Many_threads_get_the_same_tokens()
    {
        var texts = Enumerable.Range(0, 200).Select(i => SomeText.Make(300, i % 20)).ToArray();
        var expected = texts.Select(Train(600).Encode).ToArray();
        var shared = Train(600);
        var actual = new int[texts.Length][];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => actual[i] = shared.Encode(texts[i]));
        actual.ShouldBe(expected);
    }

    [Fact]
    public void A_long_run_without_white_space_is_merged_as_a_whole()
    {
        var trainer = new ByteBpeTrainer(ByteBpeTrainer.SmallestVocabulary + 3);
        trainer.Add("aaaaaaaa aaaaaaaa"u8);
        var tokens = trainer.Train().Encode(new string('a', 400_000));
        tokens.Length.ShouldBe(400_000 / 8);
        tokens.Distinct().Count().ShouldBe(1);
    }

    private static ByteBpeTokenizer Train(int vocabularySize)
    {
        var trainer = new ByteBpeTrainer(vocabularySize);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(5000, 1)));
        return trainer.Train();
    }
}

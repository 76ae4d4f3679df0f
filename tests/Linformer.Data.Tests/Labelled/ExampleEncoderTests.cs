using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Labelled;

public class ExampleEncoderTests
{
    // <s> 0, <pad> 1, </s> 2, as in RoBERTa.
    private static readonly SpecialTokens Special = SomeTokenizer.Make().Special;

    [Fact]
    public void Texts_and_pairs_have_robertas_marks()
    {
        var encoder = new ExampleEncoder(Special, 10, LongDocuments.Error);
        encoder.Encode(new ExampleText([7, 8], null)).ShouldHaveSingleItem().ShouldBe([0, 7, 8, 2]);
        encoder.Encode(new ExampleText([], null)).ShouldHaveSingleItem().ShouldBe([0, 2]);
        encoder.Encode(new ExampleText([7], [8, 9])).ShouldHaveSingleItem().ShouldBe([0, 7, 2, 2, 8, 9, 2]);
    }

    [Fact]
    public void Too_long_is_an_error_by_default()
    {
        var encoder = new ExampleEncoder(Special, 10, LongDocuments.Error);
        encoder.Encode(new ExampleText(Tokens(8), null))[0].Length.ShouldBe(10);
        Should.Throw<BadDataException>(() => encoder.Encode(new ExampleText(Tokens(9), null))).Message.ShouldStartWith("An example has 9 tokens, and the model reads 8 of a text");
        Should.Throw<BadDataException>(() => encoder.Encode(new ExampleText(Tokens(3), Tokens(4)))).Message.ShouldContain("reads 6");
        new ExampleEncoder(Special, 10, LongDocuments.Windows).WhyNot(7, isPair: true).ShouldNotBeNull().ShouldContain("windows are for single texts");
    }

    [Theory]
    [InlineData(20, 20, 3, 3)]
    [InlineData(2, 20, 2, 4)]
    [InlineData(20, 1, 5, 1)]
    [InlineData(3, 4, 3, 3)]
    [InlineData(4, 3, 3, 3)]
    [InlineData(2, 4, 2, 4)]
    public void Truncation_takes_from_the_longer_of_a_pair_token_by_token(int first, int second, int keptFirst, int keptSecond)
    {
        var row = new ExampleEncoder(Special, 10, LongDocuments.Truncate).Encode(new ExampleText(Tokens(first), Tokens(second, 500 - 40))).ShouldHaveSingleItem();
        row.ShouldBe([0, .. Tokens(keptFirst), 2, 2, .. Tokens(keptSecond, 500 - 40), 2]);
    }

    [Fact]
    public void Truncation_keeps_the_beginning() =>
        new ExampleEncoder(Special, 10, LongDocuments.Truncate).Encode(new ExampleText(Tokens(50), null)).ShouldHaveSingleItem().ShouldBe([0, .. Tokens(8), 2]);

    [Fact]
    public void Windows_overlap_and_cover_all_of_the_text_once_their_number_allows()
    {
        var encoder = new ExampleEncoder(Special, 10, LongDocuments.Windows, windowStride: 5);
        var text = Tokens(19);
        var rows = encoder.Encode(new ExampleText(text, null));
        rows.Select(row => row[1..^1]).ShouldBe([text[..8], text[5..13], text[10..18], text[15..]]);
        rows.ShouldAllBe(row => row.First() == 0 && row.Last() == 2);
        encoder.Encode(new ExampleText(Tokens(8), null)).ShouldHaveSingleItem();
        encoder.Encode(new ExampleText(Tokens(13), null)).Count.ShouldBe(2);
        new ExampleEncoder(Special, 10, LongDocuments.Windows, windowStride: 5, mostWindows: 2).Encode(new ExampleText(text, null)).Count.ShouldBe(2);
    }

    [Theory]
    [InlineData(7, null, 16)]
    [InlineData(10, 0, 16)]
    [InlineData(10, 9, 16)]
    [InlineData(10, 5, 0)]
    public void What_leaves_text_out_by_itself_is_refused(int length, int? stride, int most) =>
        Should.Throw<BadDataException>(() => new ExampleEncoder(Special, length, LongDocuments.Windows, stride, most));

    private static int[] Tokens(int count, int from = 100) => [.. Enumerable.Range(from, count)];
}

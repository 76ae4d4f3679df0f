using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

public sealed class WordPieceTests : IDisposable
{
    // The start of BERT's published example, and what its paper's code makes of it.
    private static readonly string[] Vocabulary =
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "low", "lowest", "hello", "caf", "##e", "##é", "北", "京",
    ];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("uncased")]
    [InlineData("cased")]
    [Trait("Lane", "Processes")]
    public void Ids_are_those_of_an_independent_implementation(string kind)
    {
        var output = _folder.At("expected.json");
        RunPython(kind, output);
        var expected = JsonNode.Parse(File.ReadAllBytes(output))!;
        var vocabulary = expected["vocabulary"]!.Deserialize<string[]>()!;
        var tokenizer = WordPieceTokenizer.LoadVocabulary(_folder.Write("vocab.txt", string.Join('\n', vocabulary) + "\n"), lowercase: kind == "uncased");
        var texts = expected["texts"]!.Deserialize<string[]>()!;
        var ids = expected["ids"]!.Deserialize<int[][]>()!;
        texts.Length.ShouldBeGreaterThan(100_000);
        var different = texts.Zip(ids).Where(pair => !tokenizer.Encode(pair.First).SequenceEqual(pair.Second)).Take(5)
            .Select(pair => $"{JsonSerializer.Serialize(pair.First)}: {string.Join(' ', tokenizer.Encode(pair.First).Select(id => vocabulary[id]))} and not {string.Join(' ', pair.Second.Select(id => vocabulary[id]))}");
        different.ShouldBeEmpty();
    }

    [Fact]
    public void Words_are_cut_into_the_longest_pieces_that_there_are()
    {
        var tokenizer = Load();
        Names(tokenizer, "UNwanted,running").ShouldBe(["un", "##want", "##ed", ",", "runn", "##ing"]);
        Names(tokenizer, "unwantedX running").ShouldBe(["[UNK]", "runn", "##ing"]);
        Names(tokenizer, "Café北京HELLO\0\u200d").ShouldBe(["caf", "##e", "北", "京", "hello"]);
        Names(tokenizer, " \t\r\n").ShouldBeEmpty();
    }

    [Fact]
    public void Cased_text_keeps_its_accents()
    {
        var tokenizer = WordPieceTokenizer.LoadVocabulary(_folder.Write("vocab.txt", string.Join("\r\n", Vocabulary) + "\r\n"), lowercase: false);
        Names(tokenizer, "café").ShouldBe(["caf", "##é"]);
        Names(tokenizer, "Hello").ShouldBe(["[UNK]"]);
    }

    [Fact]
    public void Roles_of_special_tokens_are_known_and_their_names_in_text_are_text()
    {
        var tokenizer = Load();
        var special = tokenizer.Special;
        (special.Pad, special.Unknown, special.Begin, special.Separator, special.Mask).ShouldBe((0, 1, 2, 3, 4));
        tokenizer.Encode("[MASK]").ShouldNotContain(4);
        tokenizer.DecodeText([2, 9, 6, 7, 12, 4, 3]).ShouldBe("unwanted ,");
        tokenizer.DecodeText([9, 4], skipSpecial: false).ShouldBe("un [MASK]");
        Should.Throw<ArgumentOutOfRangeException>(() => tokenizer.Decode([21])).Message.ShouldContain("no token 21");
    }

    [Fact]
    public void A_saved_tokenizer_is_read_back_as_what_it_was()
    {
        var tokenizer = Load();
        tokenizer.Save(_folder.At("tokenizer.json"));
        var loaded = TokenizerFile.Load(_folder.At("tokenizer.json")).ShouldBeOfType<WordPieceTokenizer>();
        loaded.Sha256.ShouldBe(tokenizer.Sha256);
        loaded.VocabularySize.ShouldBe(Vocabulary.Length);
        const string Text = "Unwanted café, 北京 hello?";
        loaded.Encode(Text).ShouldBe(tokenizer.Encode(Encoding.UTF8.GetBytes(Text)));
        SomeTokenizer.Make().Save(_folder.At("bpe.json"));
        TokenizerFile.Load(_folder.At("bpe.json")).ShouldBeOfType<ByteBpeTokenizer>();
    }

    [Theory]
    [InlineData("normalizer", """{"type":"NFC"}""", "NFC")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "Whitespace")]
    [InlineData("added_tokens", """[{"id":7,"content":"[MASK]","special":true}]""", "[MASK]")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"a":0}}""", "[UNK]")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"[UNK]":1,"a":1}}""", "the id 1")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"[UNK]":1,"a":-1}}""", "16777215")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"[UNK]":1},"continuing_subword_prefix":"@"}""", "continuing_subword_prefix")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"[UNK]":1},"max_input_chars_per_word":1000000000}""", "max_input_chars_per_word")]
    [InlineData("model", """{"type":"WordPiece","vocab":{"[UNK]":"0"}}""", "type")]
    public void What_it_cannot_do_is_named(string field, string json, string named)
    {
        Load().Save(_folder.At("tokenizer.json"));
        var root = JsonNode.Parse(File.ReadAllText(_folder.At("tokenizer.json")))!;
        root[field] = JsonNode.Parse(json);
        var path = _folder.Write("changed.json", root.ToJsonString());
        var message = Should.Throw<BadDataException>(() => TokenizerFile.Load(path)).Message;
        message.ShouldContain(named);
        message.ShouldContain("changed.json");
    }

    [Fact]
    public void A_folder_has_the_tokenizer_that_its_files_say()
    {
        TokenizerFolder.Find(_folder.Path).ShouldBeNull();
        _folder.Write("vocab.txt", string.Join('\n', Vocabulary));
        TokenizerFolder.Find(_folder.Path).ShouldBeOfType<WordPieceTokenizer>().Lowercase.ShouldBeTrue();
        _folder.Write("tokenizer_config.json", """{"do_lower_case": false}""");
        TokenizerFolder.Find(_folder.Path).ShouldBeOfType<WordPieceTokenizer>().Lowercase.ShouldBeFalse();
        _folder.Write("tokenizer_config.json", "{");
        Should.Throw<BadDataException>(() => TokenizerFolder.Find(_folder.Path)).Message.ShouldContain("tokenizer_config.json");
        SomeTokenizer.Make().Save(_folder.At("tokenizer.json"));
        TokenizerFolder.Find(_folder.Path).ShouldBeOfType<ByteBpeTokenizer>();
    }

    [Fact]
    public void A_vocabulary_with_a_token_twice_is_refused_with_its_line() =>
        Should.Throw<BadDataException>(() => WordPieceTokenizer.LoadVocabulary(_folder.Write("vocab.txt", "[UNK]\na\na\n"), lowercase: true))
            .Message.ShouldContain("line 3");

    private WordPieceTokenizer Load() =>
        WordPieceTokenizer.LoadVocabulary(_folder.Write("vocab.txt", string.Join('\n', Vocabulary)), lowercase: true);

    private static string[] Names(WordPieceTokenizer tokenizer, string text) => [.. tokenizer.Encode(text).Select(id => Vocabulary[id])];

    private static void RunPython(string kind, string output)
    {
        var start = new ProcessStartInfo("/usr/bin/python3") { UseShellExecute = false, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Tokenizers", "wordpiece_reference.py"));
        start.ArgumentList.Add(kind);
        start.ArgumentList.Add(output);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.ShouldBe(0, errors);
    }
}

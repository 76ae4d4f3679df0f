using System.Text;
using System.Text.Json.Nodes;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

public sealed class TokenizerJsonTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Reads_back_what_it_wrote()
    {
        var tokenizer = Train();
        tokenizer.Save(_folder.At("tokenizer.json"));
        var loaded = ByteBpeTokenizer.Load(_folder.At("tokenizer.json"));

        var text = SomeText.Make(200, 8) + " <mask> é";
        loaded.Encode(text).ShouldBe(tokenizer.Encode(text));
        loaded.AddedTokens.ShouldBe(tokenizer.AddedTokens);
        loaded.Sha256.ShouldBe(tokenizer.Sha256);
        loaded.Save(_folder.At("again.json"));
        File.ReadAllBytes(_folder.At("again.json")).ShouldBe(File.ReadAllBytes(_folder.At("tokenizer.json")));
    }

    [Fact]
    public void Reads_merges_written_as_pairs()
    {
        var tokenizer = Train();
        var loaded = LoadChanged(json =>
        {
            var merges = json["model"]!["merges"]!.AsArray();
            json["model"]!["merges"] = new JsonArray([.. merges.Select(merge => new JsonArray([.. merge!.GetValue<string>().Split(' ').Select(token => JsonValue.Create(token))]))]);
        });
        loaded.Encode("that it is the").ShouldBe(tokenizer.Encode("that it is the"));
        loaded.Encode("that it is the").Length.ShouldBeLessThan(8);
    }

    [Fact]
    public void Finds_the_mask_wherever_it_is()
    {
        var loaded = LoadChanged(json =>
        {
            json["model"]!["vocab"]!.AsObject().Remove("<mask>");
            json["added_tokens"]![4]!["id"] = 1000;
        });
        loaded.Special.Mask.ShouldBe(1000);
        loaded.VocabularySize.ShouldBe(1001);
        loaded.DecodeText([1000], skipSpecial: false).ShouldBe("<mask>");
        Should.Throw<ArgumentOutOfRangeException>(() => loaded.Decode([999]));
    }

    public static TheoryData<string, string, string> Unsupported => new()
    {
        { "normalizer", """{"type":"NFC"}""", "normalizer \"NFC\"" },
        { "pre_tokenizer", """{"type":"Whitespace"}""", "pre_tokenizer \"Whitespace\"" },
        { "pre_tokenizer", "null", "pre_tokenizer \"null\"" },
        { "pre_tokenizer", """{"type":"ByteLevel","use_regex":false}""", "use_regex" },
        { "decoder", """{"type":"WordPiece"}""", "decoder \"WordPiece\"" },
        { "model", """{"type":"WordPiece","vocab":{}}""", "model \"WordPiece\"" },
        { "model", """{"type":"BPE","vocab":{},"merges":[]}""", "byte 0x00" },
        { "model", """{"type":"BPE","merges":[]}""", "no \"vocab\"" },
        { "model", """{"type":"BPE","vocab":{},"merges":["abc"]}""", "merge 0" },
        { "model", """{"type":"BPE","vocab":{"a":-1},"merges":[]}""", "token ids" },
        { "model", """{"type":"BPE","vocab":{"a":1.5},"merges":[]}""", "whole number" },
        { "model", """{"type":"BPE","vocab":{"a":"b"},"merges":[]}""", "another type" },
        { "model", """{"type":"BPE","vocab":{"世":9},"merges":[]}""", "alphabet" },
        { "model", """{"type":"BPE","vocab":{"a":9,"b":9},"merges":[]}""", "taken" },
        { "model", """{"type":"BPE","vocab":{},"merges":[],"byte_fallback":true}""", "byte_fallback" },
        { "model", """{"type":"BPE","vocab":{},"merges":[],"dropout":0.1}""", "dropout" },
        { "added_tokens", """[{"content":"<s>"}]""", "no \"id\"" },
        { "added_tokens", """[{"id":1,"content":"<s>","special":true},{"id":2,"content":"<s>","special":true}]""", "twice" },
    };

    [Theory]
    [MemberData(nameof(Unsupported))]
    public void What_is_unsupported_or_damaged_is_named(string part, string value, string named)
    {
        var error = Should.Throw<BadDataException>(() => LoadChanged(json => json[part] = JsonNode.Parse(value)));
        error.Message.ShouldContain(named);
        error.Message.ShouldContain("changed.json");
    }

    [Fact]
    public void A_merge_without_its_token_is_named()
    {
        var error = Should.Throw<BadDataException>(() => LoadChanged(json => json["model"]!["merges"]!.AsArray().Add("a 😀")));
        error.Message.ShouldContain("\"a\", \"😀\"");
    }

    [Theory]
    [InlineData("[null,\"a\"]")]
    [InlineData("[\"a\",null]")]
    [InlineData("[\"\",\"a\"]")]
    [InlineData("[\"a\"]")]
    [InlineData("1")]
    public void A_merge_that_is_no_pair_is_an_error(string merge) =>
        Should.Throw<BadDataException>(() => LoadChanged(json => json["model"]!["merges"]!.AsArray().Insert(0, JsonNode.Parse(merge))));

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    public void An_added_token_without_a_name_is_an_error(string content) =>
        Should.Throw<BadDataException>(() => LoadChanged(json => json["added_tokens"]![0]!["content"] = JsonNode.Parse(content)));

    [Fact]
    public void Ids_far_beyond_the_number_of_tokens_take_no_memory()
    {
        var error = Should.Throw<BadDataException>(() => LoadChanged(json => json["added_tokens"]!.AsArray().Add(JsonNode.Parse("""{"id":16777215,"content":"far","special":true}"""))));
        error.Message.ShouldContain("the highest token id is 16777215");
    }

    [Fact]
    public void Many_added_tokens_are_read_in_time_that_grows_with_their_number()
    {
        // With a search through all for each it was minutes.
        var loaded = LoadChanged(json =>
        {
            var added = json["added_tokens"]!.AsArray();
            for (var i = 0; i < 120_000; i++)
            {
                added.Add(JsonNode.Parse($$"""{"id":{{1000 + i}},"content":"<extra {{i}}>","special":true}"""));
            }
        });
        loaded.VocabularySize.ShouldBe(121_000);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"model\":")]
    [InlineData("[]")]
    [InlineData("{}")]
    public void A_file_that_is_no_tokenizer_is_an_error(string content)
    {
        var path = _folder.Write("bad.json", content);
        Should.Throw<BadDataException>(() => ByteBpeTokenizer.Load(path)).Message.ShouldContain("bad.json");
        Should.Throw<BadDataException>(() => ByteBpeTokenizer.Load(_folder.At("none.json"))).Message.ShouldContain("none.json");
    }

    [Fact]
    public void Damaged_GPT2_files_are_named()
    {
        var vocabulary = _folder.Write("vocab.json", """{"a":0}""");
        var merges = _folder.Write("merges.txt", "#version: 0.2\na b\nabc\n");
        Should.Throw<BadDataException>(() => ByteBpeTokenizer.LoadGpt2(vocabulary, merges)).Message.ShouldContain("merges.txt, line 3");
        Should.Throw<BadDataException>(() => ByteBpeTokenizer.LoadGpt2(merges, merges)).Message.ShouldContain("not a JSON object");
    }

    private static ByteBpeTokenizer Train()
    {
        var trainer = new ByteBpeTrainer(400);
        trainer.Add(Encoding.UTF8.GetBytes(SomeText.Make(3000, 1)));
        return trainer.Train();
    }

    private ByteBpeTokenizer LoadChanged(Action<JsonObject> change)
    {
        Train().Save(_folder.At("tokenizer.json"));
        var json = JsonNode.Parse(File.ReadAllText(_folder.At("tokenizer.json")))!.AsObject();
        change(json);
        return ByteBpeTokenizer.Load(_folder.Write("changed.json", json.ToJsonString()));
    }
}

using System.Text;
using Linformer.Data.Tokenizers;
using Linformer.Fuzzing;
using Xunit.Abstractions;

namespace Linformer.Data.Tests.Fuzz;

/// <summary>Tokenizer files, damaged: what is taken can be used and written again.</summary>
public sealed class TokenizerFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly TestFolder _folder = new();

    [Fact]
    public void Tokenizer_files_are_read_or_refused()
    {
        SomeTokenizer.Make().Save(_folder.At("good.json"));
        new Fuzzer
        {
            Name = "tokenizer",
            Corpus = [File.ReadAllBytes(_folder.At("good.json")), Small("\"a b\",\"ab c\""), Small("[\"a\",\"b\"],[\"\",\"c\"]")],
            Dictionary =
            [
                "\"merges\":[", "[null,\"ab\"],", "[\"a\",null],", "\"a b\",", "\"ab ab\",", "{\"id\":16777215,\"content\":\"x\",\"special\":true},", "{\"id\":3,\"content\":null},",
                "\"added_tokens\":[", "\"post_processor\":", "\"zz\":16777215,", "\"zz\":2147483647,", "\"\":260,", "\"use_regex\":true,", "\"dropout\":0,", "\"ab\":256,",
            ],
            Cases = 600,
            AllocationPerByte = 1000,
            MayThrow = e => e is BadDataException,
        }.Run(Use, output);
    }

    [Fact]
    public void Gpt2_files_are_read_or_refused()
    {
        var vocabulary = Encoding.UTF8.GetBytes(Vocabulary());
        new Fuzzer
        {
            Name = "gpt2 vocabulary",
            Corpus = [vocabulary],
            Dictionary = ["\"<mask>\":3,", "\"ab\":16777215,", "\"ab\":-1,", "null"],
            Cases = 600,
            AllocationPerByte = 1000,
            MayThrow = e => e is BadDataException,
        }.Run(input => UseGpt2(input, "#version: 0.2\na b\n"u8.ToArray()), output);
        new Fuzzer
        {
            Name = "gpt2 merges",
            Corpus = ["#version: 0.2\na b\nab c\n"u8.ToArray(), "a b\r\nc ab\r\n"u8.ToArray()],
            Dictionary = ["a b\n", "ab c\n", "  ", "\n"],
            Cases = 600,
            AllocationPerByte = 1000,
            MayThrow = e => e is BadDataException,
        }.Run(input => UseGpt2(vocabulary, input), output);
    }

    public void Dispose() => _folder.Dispose();

    private static string Vocabulary()
    {
        var text = new StringBuilder("{");
        for (var b = 0; b < 256; b++)
        {
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\"{Letter(b)}\":{b},");
        }

        return text.Append("\"ab\":256,\"abc\":257,\"cab\":258,\"<s>\":259}").ToString();
    }

    // GPT-2's letters of the bytes, as its authors published the rule.
    private static string Letter(int value)
    {
        static bool Printable(int b) => b is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
        var letter = Printable(value) ? value : 256 + Enumerable.Range(0, value).Count(b => !Printable(b));
        return letter is '"' or '\\' ? $"\\{(char)letter}" : ((char)letter).ToString();
    }

    private static byte[] Small(string merges)
    {
        const string Added = """[{"id":259,"content":"<s>","special":true},{"id":260,"content":"</s>","special":true}]""";
        var vocabulary = Vocabulary().Replace(",\"<s>\":259}", "}", StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(
            $$$"""{"added_tokens":{{{Added}}},"pre_tokenizer":{"type":"ByteLevel"},"post_processor":{"type":"x"},"decoder":{"type":"ByteLevel"},"model":{"vocab":{{{vocabulary}}},"merges":[{{{merges}}}]} }""");
    }

    private void Use(byte[] json)
    {
        var path = _folder.Write("damaged.json", json);
        Use(ByteBpeTokenizer.Load(path));
    }

    private void UseGpt2(byte[] vocabulary, byte[] merges) =>
        Use(ByteBpeTokenizer.LoadGpt2(_folder.Write("vocab.json", vocabulary), _folder.Write("merges.txt", merges)));

    private void Use(ByteBpeTokenizer tokenizer)
    {
        const string Text = "abc cab, 's the ☃ ab\0 abab";
        var ids = tokenizer.Encode(Text);
        tokenizer.DecodeText(ids, skipSpecial: false).ShouldBe(tokenizer.AddPrefixSpace ? " " + Text : Text);
        tokenizer.Save(_folder.At("again.json"));
        var again = ByteBpeTokenizer.Load(_folder.At("again.json"));
        again.Sha256.ShouldBe(tokenizer.Sha256);
        again.Encode(Text).ShouldBe(ids);
    }
}

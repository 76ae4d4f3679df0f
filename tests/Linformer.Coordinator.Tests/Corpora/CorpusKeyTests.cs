using Linformer.Coordinator.Corpora;
using Linformer.Protocol;

namespace Linformer.Coordinator.Tests.Corpora;

public class CorpusKeyTests
{
    [Fact]
    public void Only_files_separator_and_tokenizer_decide()
    {
        var job = Some.JobFile();
        var key = CorpusKey.Of(job.ToJson());

        CorpusKey.Of((job with { Name = "other", Corpus = job.Corpus with { HeldOut = 0.2, ShuffleBlock = 5 } }).ToJson()).ShouldBe(key);
        CorpusKey.Of((job with { Corpus = job.Corpus with { Separator = "" } }).ToJson()).ShouldNotBe(key);
        CorpusKey.Of((job with { Corpus = job.Corpus with { Files = ["other.txt"] } }).ToJson()).ShouldNotBe(key);
        CorpusKey.Of((job with { Corpus = job.Corpus with { Tokenizer = new TokenizerSection { VocabularySize = 300 } } }).ToJson()).ShouldNotBe(key);
        key.SettingsJson.ShouldBe("""{"files":["texts/*.txt"],"tokenizer":{"kind":"byte-bpe","vocabularySize":8192}}""");
        // The hash by another program: printf '%s' … | sha256sum
        key.CorpusId.ShouldBe("33cda763309f9e1c");
    }

    [Fact]
    public void The_settings_are_the_corpus_section_of_a_job_file()
    {
        var job = Some.JobFile();

        var parsed = JobFileParser.Parse($$"""{"name": "x", "corpus": {{CorpusKey.Of(job.ToJson()).SettingsJson}}}""", "x").OrThrow();

        parsed.Corpus.Files.ShouldBe(job.Corpus.Files);
        parsed.Corpus.Tokenizer.ToString().ShouldBe(job.Corpus.Tokenizer.ToString());
    }

    [Fact]
    public void Where_examples_are_and_which_files_are_held_out_decide()
    {
        const string Corpus = """{"files": ["train.tsv"], "heldOutFiles": ["dev.tsv"], "examples": {"layout": "sst2"}}""";
        var json = JobFileParser.Parse($$"""{"name": "x", "task": "classification", "corpus": {{Corpus}}}""", "x").OrThrow().ToJson();
        var key = CorpusKey.Of(json);

        CorpusKey.Of(json.Replace("dev.tsv", "test.tsv", StringComparison.Ordinal)).ShouldNotBe(key);
        CorpusKey.Of(json.Replace("\"sst2\"", "\"qnli\"", StringComparison.Ordinal)).ShouldNotBe(key);
        key.SettingsJson.ShouldStartWith("""{"files":["train.tsv"],"heldOutFiles":["dev.tsv"],"tokenizer":{""");
        key.SettingsJson.ShouldContain("\"examples\":{\"layout\":\"sst2\"");
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"corpus\": 5}")]
    public void A_text_without_a_corpus_is_refused(string json) =>
        Should.Throw<FormatException>(() => CorpusKey.Of(json)).Message.ShouldContain("section corpus");
}

using System.Text;
using Linformer.Data.Corpora;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Tests.Fuzz;

/// <summary>Text without any white space: what is bounded by the length of words elsewhere is bounded here, too.</summary>
public sealed class LongRunTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Fact]
    public void A_word_of_megabytes_takes_memory_of_a_word_of_one()
    {
        // Letters of two bytes at odd places, so that a cut could fall into one.
        var text = Encoding.UTF8.GetBytes("x" + new string('é', 5 << 20));
        var tokenizer = SomeTokenizer.Make();
        var tokens = new List<int>(text.Length);
        var before = GC.GetAllocatedBytesForCurrentThread();
        tokenizer.Encode(text, tokens);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(40L * text.Length);
        tokenizer.Decode([.. tokens]).AsSpan().SequenceEqual(text).ShouldBeTrue();

        var trainer = new ByteBpeTrainer(300);
        before = GC.GetAllocatedBytesForCurrentThread();
        trainer.Add(text);
        trainer.Train().VocabularySize.ShouldBeLessThanOrEqualTo(300);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100L * text.Length);
    }

    [Fact]
    public void Compressed_text_without_white_space_is_looked_through_in_steps_that_double()
    {
        // Random, so that gzip gives it in small pieces; each was looked through from the beginning.
        var random = new Random(1);
        var content = new byte[6 << 20];
        for (var i = 0; i < content.Length; i++)
        {
            content[i] = (byte)('a' + random.Next(26));
        }

        _folder.Write("a.txt.gz", TestFolder.Gzip(content));
        var reads = 0;
        var file = CorpusFiles.Resolve(_folder.Path, ["a.txt.gz"])[0];
        foreach (var chunk in CorpusReader.Read(file, separator: null, consumed: _ => reads++))
        {
            chunk.Utf8.Span.SequenceEqual(content).ShouldBeTrue();
        }

        // 1, 2, 4 and 8 MiB, and what says that this is all.
        reads.ShouldBeLessThanOrEqualTo(6);
    }

    public void Dispose() => _folder.Dispose();
}

using System.Text;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data;

/// <summary>Chooses and reads the part of a corpus that a tokenizer is trained on: all, or slices spread evenly over it.</summary>
internal static class TokenizerSample
{
    private const int Slices = 512;

    /// <summary>The parts of the files to read. The last number of a part of a file that is read from its beginning says how much text to take from its beginning.</summary>
    public static List<PlannedSegment> Choose(IReadOnlyList<CorpusFile> files, long sampleBytes)
    {
        var total = files.Sum(file => file.Bytes);
        if (total <= sampleBytes)
        {
            // All of it; 50 is beyond what gzip makes of text.
            return [.. files.Select((file, i) => new PlannedSegment(i, 0, file.IsCompressed ? Math.Min(file.Bytes * 50, sampleBytes) : file.Bytes))];
        }

        var chosen = new List<PlannedSegment>();
        var length = Math.Max(1, sampleBytes / Slices);
        var (index, fileStart) = (0, 0L);
        for (var slice = 0; slice < Slices; slice++)
        {
            var start = (long)((Int128)slice * total / Slices);
            var end = Math.Min(start + length, total);
            while (start < end)
            {
                while (fileStart + files[index].Bytes <= start)
                {
                    fileStart += files[index++].Bytes;
                }

                var to = Math.Min(end, fileStart + files[index].Bytes);
                Add(chosen, files[index], new PlannedSegment(index, start - fileStart, to - fileStart));
                start = to;
            }
        }

        return chosen;
    }

    public static void Read(
        IReadOnlyList<CorpusFile> files, List<PlannedSegment> segments, CorpusSettings settings, ByteBpeTrainer trainer, Action<long> read, CancellationToken cancellationToken)
    {
        foreach (var segment in segments)
        {
            var left = segment.End - segment.Start;
            foreach (var length in Read(files[segment.File], segment, settings, trainer))
            {
                cancellationToken.ThrowIfCancellationRequested();
                left -= length;
                if (files[segment.File].IsWhole && left <= 0)
                {
                    break;
                }
            }

            read(segment.End - segment.Start);
        }
    }

    // Gives the length of each piece that was read, in bytes.
    private static IEnumerable<long> Read(CorpusFile file, PlannedSegment segment, CorpusSettings settings, ByteBpeTrainer trainer)
    {
        // Texts in folders are text like any other.
        if (settings.Examples is not { } layout || layout.Format == ExampleFormat.Folders)
        {
            foreach (var chunk in CorpusReader.Read(file, settings.Examples is null ? settings.Separator : null, segment.Start, segment.End))
            {
                trainer.Add(chunk.Utf8.Span, continues: !chunk.StartsDocument);
                yield return chunk.Utf8.Length;
            }

            yield break;
        }

        foreach (var example in ExampleReader.Read(file, layout, segment.Start, segment.End))
        {
            var text = Encoding.UTF8.GetBytes(example.Text);
            var pair = Encoding.UTF8.GetBytes(example.TextPair ?? string.Empty);
            trainer.Add(text);
            trainer.Add(pair);
            yield return text.Length + pair.Length;
        }
    }

    // Files that cannot be entered in the middle: their slices together are taken from the beginning.
    private static void Add(List<PlannedSegment> chosen, CorpusFile file, PlannedSegment segment)
    {
        if (!file.IsWhole)
        {
            chosen.Add(segment);
        }
        else if (chosen.Count > 0 && chosen[^1].File == segment.File)
        {
            chosen[^1] = chosen[^1] with { End = chosen[^1].End + (segment.End - segment.Start) };
        }
        else
        {
            chosen.Add(new PlannedSegment(segment.File, 0, segment.End - segment.Start));
        }
    }
}

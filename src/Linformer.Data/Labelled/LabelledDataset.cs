using System.Globalization;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Labelled;

/// <summary>
/// A prepared corpus of labelled examples in two parts: one to train on, one held out. Held out are the files that the corpus's settings
/// name, or a share of the examples, chosen by a hash of their texts: equal texts are always on the same side.
/// </summary>
public sealed class LabelledDataset : IDisposable
{
    /// <summary>The most classes that there may be.</summary>
    public const int MostClasses = 10_000;

    private const int WindowTokens = 1 << 18;

    private readonly string _folder;
    private readonly TokenStream _stream;

    private LabelledDataset(string folder, TokenStream stream, CorpusManifest manifest, IReadOnlyList<string> classes, ExampleSet training, ExampleSet heldOut) =>
        (_folder, _stream, Manifest, Classes, Training, HeldOut) = (folder, stream, manifest, classes, training, heldOut);

    /// <summary>What the folder holds.</summary>
    public CorpusManifest Manifest { get; }

    /// <summary>
    /// The classes in the order of the model's outputs: those that the settings name, or those of the examples, in the order of their
    /// numbers if all are whole numbers, otherwise in ordinal order. Empty if labels are numbers to be predicted.
    /// </summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The examples to train on.</summary>
    public ExampleSet Training { get; }

    /// <summary>The held-out examples.</summary>
    public ExampleSet HeldOut { get; }

    /// <summary>Opens a folder of shards. Reads all of it once, and keeps 24 bytes for each example.</summary>
    /// <param name="folder">The folder with the shards and their manifest.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="heldOut">The share of the examples to hold out where no files are named, from 0 to 0.5.</param>
    /// <exception cref="BadDataException">
    /// The folder is missing, damaged, or not one of examples; there are fewer than two classes, or too many; or an argument is out of range.
    /// </exception>
    /// <exception cref="IOException">A shard cannot be read now.</exception>
    public static LabelledDataset Open(string folder, ITokenizer tokenizer, double heldOut)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (heldOut is not (>= 0 and <= 0.5))
        {
            throw new BadDataException($"corpus.heldOut is {heldOut}; allowed is 0 to 0.5.");
        }

        var manifest = CorpusManifest.Load(folder);
        var layout = manifest.Examples ?? throw new BadDataException($"The corpus in {folder} is text without labels; corpus.examples says where texts and labels are.");
        var separator = ExampleTokens.SeparatorOf(tokenizer.Special);
        var stream = new TokenStream(folder, manifest);
        try
        {
            var examples = Scan(stream, separator, tokenizer);
            var classes = layout.IsNumber ? [] : layout.Classes ?? ClassesOf(examples);
            var targets = Targets(examples, classes, layout.IsNumber);
            var firstHeldOut = manifest.FirstHeldOutShard is { } shard ? manifest.Shards.Take(shard).Sum(info => info.Documents) : (long?)null;
            var sides = examples
                .Select((example, i) => (example.Hash, i, Place: new ExampleSet.Place(example.Start, example.Length, targets[i])))
                .ToLookup(
                    example => firstHeldOut is { } first ? example.i >= first : example.Hash < heldOut * ulong.MaxValue,
                    example => example.Place);
            return new LabelledDataset(
                folder, stream, manifest, classes, new ExampleSet(stream, separator, [.. sides[false]]), new ExampleSet(stream, separator, [.. sides[true]]));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The classes that no example to train on has, in their order.</summary>
    public IReadOnlyList<string> UntrainedClasses()
    {
        var trained = new bool[Classes.Count];
        for (var i = 0L; i < Training.Count && Classes.Count > 0; i++)
        {
            trained[(int)Training.Target(i)] = true;
        }

        return [.. Classes.Where((_, i) => !trained[i])];
    }

    /// <summary>
    /// Looks for a class that only held-out files have: a model would get an output for it that it never learns, and be measured on it.
    /// Whoever means that names all classes in the corpus's settings.
    /// </summary>
    /// <param name="root">The storage root with the corpus's files.</param>
    /// <exception cref="BadDataException">There is one; the message has it, a line where it stands, and the classes of the training files.</exception>
    public void CheckHeldOutClasses(string root)
    {
        if (Manifest is not { FirstHeldOutShard: not null, Examples.Classes: null } || UntrainedClasses() is not { Count: > 0 } untrained)
        {
            return;
        }

        var index = 0L;
        while (!untrained.Contains(Classes[(int)HeldOut.Target(index)], StringComparer.Ordinal))
        {
            index++;
        }

        throw new BadDataException(
            $"{HeldOutPlaces.Of(_folder, Manifest, index, root)}: the class \"{Classes[(int)HeldOut.Target(index)]}\" is in corpus.heldOutFiles and not in corpus.files, so the model would never learn it. "
            + $"The classes of corpus.files are: {ExampleReader.Shown([.. Classes.Except(untrained, StringComparer.Ordinal)])}. "
            + "Add examples of it there, leave it out here, or name all classes in corpus.examples.classes.");
    }

    /// <summary>Closes the shards.</summary>
    public void Dispose() => _stream.Dispose();

    // All labels, and where texts begin, in long reads.
    private static List<Found> Scan(TokenStream stream, int separator, ITokenizer tokenizer)
    {
        var (ends, _) = stream.ReadDocuments();
        var examples = new List<Found>(ends.Length);
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var window = new int[WindowTokens];
        var (windowStart, windowEnd) = (0L, 0L);
        var (start, label, hash) = (0L, new List<int>(), DocumentHash.Empty);
        var inLabel = true;
        var textStart = 0L;
        foreach (var end in ends)
        {
            for (var position = start; position < end; position++)
            {
                if (position >= windowEnd)
                {
                    (windowStart, windowEnd) = (position, Math.Min(stream.Length, position + WindowTokens));
                    stream.Read(windowStart, window.AsSpan(0, (int)(windowEnd - windowStart)));
                }

                var token = window[position - windowStart];
                if (inLabel && token == separator)
                {
                    (inLabel, textStart) = (false, position + 1);
                }
                else if (inLabel)
                {
                    label.Add(token);
                }
                else
                {
                    hash = DocumentHash.Add(hash, token);
                }
            }

            if (inLabel)
            {
                throw new BadDataException($"Example {examples.Count} of the corpus has no label: its shards are damaged. Delete their folder to have them made again.");
            }

            var name = tokenizer.DecodeText([.. label]);
            if (!names.TryGetValue(name, out var known))
            {
                names.Add(name, known = name);
            }

            examples.Add(new Found(known, textStart, (int)(end - textStart), DocumentHash.Finish(hash)));
            (start, inLabel, hash) = (end, true, DocumentHash.Empty);
            label.Clear();
        }

        return examples;
    }

    private static List<string> ClassesOf(List<Found> examples)
    {
        var names = examples.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (names.Count is < 2 or > MostClasses)
        {
            var shown = string.Join(", ", names.Take(5).Select(name => $"\"{name}\"")) + (names.Count > 5 ? ", …" : "");
            throw new BadDataException($"The corpus's examples have {names.Count} different label{(names.Count == 1 ? "" : "s")} ({shown}); a classification needs 2 to {MostClasses}. Numbers are predicted with corpus.examples.target: number.");
        }

        return names.TrueForAll(name => IsWholeNumber(name, out _)) ? [.. names.OrderBy(name => IsWholeNumber(name, out var number) ? number : 0)] : names;
    }

    private static bool IsWholeNumber(string name, out long number) => long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number);

    private static double[] Targets(List<Found> examples, IReadOnlyList<string> classes, bool isNumber)
    {
        if (isNumber)
        {
            return [.. examples.Select(example => double.Parse(example.Label, NumberStyles.Float, CultureInfo.InvariantCulture))];
        }

        var numbers = classes.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => pair.i, StringComparer.Ordinal);
        return [.. examples.Select(example => numbers.TryGetValue(example.Label, out var number)
            ? (double)number
            : throw new BadDataException($"The label \"{example.Label}\" of the corpus is none of corpus.examples.classes: {string.Join(", ", classes)}."))];
    }

    private readonly record struct Found(string Label, long Start, int Length, ulong Hash);
}

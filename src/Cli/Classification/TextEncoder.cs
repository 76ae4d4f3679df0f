using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Training.Tasks;
using static TorchSharp.torch;

namespace Linformer.Cli.Classification;

/// <summary>Makes batches of texts for a model in a folder.</summary>
internal sealed class TextEncoder
{
    // Enough to fill a processor, little enough to show results soon.
    private const int BatchTokens = 8192;

    private readonly ITokenizer _tokenizer;
    private readonly ExampleEncoder _encoder;

    /// <summary>Loads a folder's tokenizer.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What is done with long texts.</param>
    /// <exception cref="CommandException">The tokenizer is not the model's.</exception>
    public TextEncoder(string folder, LinformerConfig config, LongDocuments rule)
    {
        _tokenizer = TokenizerFile.Load(Path.Combine(folder, ModelFolder.TokenizerName));
        if (_tokenizer.VocabularySize != config.VocabularySize)
            throw new CommandException($"{folder}: the tokenizer has {_tokenizer.VocabularySize} tokens and the model {config.VocabularySize}.");
        _encoder = new ExampleEncoder(_tokenizer.Special, config.SequenceLength, rule);
    }

    /// <summary>Runs a model over texts, some at a time.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="run">Given ids and mask, the numbers of each row, [rows, width]; those of the windows of a text are averaged.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns>Each text with its numbers, in order.</returns>
    /// <exception cref="CommandException">A text is too long, or the model gives NaN or infinity.</exception>
    public IEnumerable<(string Text, string? Pair, float[] Numbers)> Run(
        IEnumerable<(string Text, string? Pair)> texts, Func<Tensor, Tensor?, Tensor> run, CancellationToken cancellation)
    {
        var waiting = new List<(string Text, string? Pair, IReadOnlyList<int[]> Rows)>();
        var (longest, rows, number) = (0, 0, 0);
        foreach (var (text, pair) in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            waiting.Add((text, pair, Rows(text, pair, ++number)));
            longest = Math.Max(longest, waiting[^1].Rows.Max(row => row.Length));
            rows += waiting[^1].Rows.Count;
            if (longest * rows < BatchTokens)
                continue;
            foreach (var result in Batch(waiting, run))
                yield return result;
            waiting.Clear();
            (longest, rows) = (0, 0);
        }

        foreach (var result in waiting.Count > 0 ? Batch(waiting, run) : [])
            yield return result;
    }

    private IReadOnlyList<int[]> Rows(string text, string? pair, int number)
    {
        try
        {
            return _encoder.Encode(new ExampleText(_tokenizer.Encode(text), pair is null ? null : _tokenizer.Encode(pair)));
        }
        catch (BadDataException e)
        {
            throw new CommandException($"Text {number}: {e.Message.Replace("raise model.sequenceLength, or say what to do with classification.longDocuments: truncate or windows", "say what to do with --long truncate or --long windows", StringComparison.Ordinal)}");
        }
    }

    private List<(string Text, string? Pair, float[] Numbers)> Batch(
        List<(string Text, string? Pair, IReadOnlyList<int[]> Rows)> texts, Func<Tensor, Tensor?, Tensor> run)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var rows = texts.SelectMany((text, i) => text.Rows.Select(row => (i, row))).ToList();
        using var batch = new ClassificationBatch(rows, new double[texts.Count], _tokenizer.Special.Pad ?? 0, CPU);
        var numbers = run(batch.Ids, batch.AttentionMask).to_type(ScalarType.Float32); // [rows, width]
        numbers = batch.Shares is { } shares ? shares.matmul(numbers) : numbers;       // [texts, width]
        var width = (int)numbers.shape[1];
        var all = numbers.contiguous().data<float>().ToArray();
        if (Array.Exists(all, number => !float.IsFinite(number)))
            throw new CommandException("The model gives NaN or infinity: its weights are damaged, or too large.");
        return [.. texts.Select((text, i) => (text.Text, text.Pair, all[(i * width)..((i + 1) * width)]))];
    }
}

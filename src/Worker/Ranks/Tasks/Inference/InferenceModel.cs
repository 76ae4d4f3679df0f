using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Protocol;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Inference;

/// <summary>A finished model, and how it reads documents. What it gives for a document is a function of the documents that are given with it.</summary>
internal sealed class InferenceModel : IDisposable
{
    private const int BlockBatches = 32;

    private readonly nn.Module _module;
    private readonly PooledEncoder _pooled;
    private readonly Func<Tensor, Tensor> _finish;
    private readonly ExampleEncoder _encoder;
    private readonly Device _device;
    private readonly int _batch;
    private readonly int _padding;

    /// <summary>Loads a model.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="section">What it is to do.</param>
    /// <param name="context">Where it computes.</param>
    /// <param name="special">The special tokens of its tokenizer.</param>
    /// <exception cref="ModelFormatException">The folder is none, or its model is not for that.</exception>
    public InferenceModel(string folder, InferenceSection section, RankTaskContext context, SpecialTokens special)
    {
        var description = ModelFolder.Describe(folder);
        (_device, _batch, _padding) = (context.Device, section.Batch, special.Pad ?? 0);
        var pooling = section.Pooling == PoolingKind.First ? Pooling.First : Pooling.Mean;
        if (section.Kind == InferenceKind.Classify || description.Kind == ModelKind.Classification)
        {
            var model = ModelFolder.Load(folder, ModelKind.Classification, found => new ClassificationModel(found.Config, found.Classification!, context.Placement));
            _module = model;
            Head = section.Kind == InferenceKind.Classify ? model.Head : null;
            _pooled = new PooledEncoder(model.Encoder, Head?.Pooling ?? pooling, context.Options.Precision);
            _finish = Head is null ? pooled => pooled : model.Scores;
        }
        else
        {
            var model = ModelFolder.Load(folder, ModelKind.MaskedLanguage, found => new MaskedLanguageModel(found.Config, context.Placement));
            _module = model;
            _pooled = new PooledEncoder(model.Encoder, pooling, context.Options.Precision);
            _finish = pooled => pooled;
        }

        Outputs = Head?.Outputs ?? description.Config.Hidden;
        var length = description.Config.SequenceLength;
        var rule = section.LongDocuments switch
        {
            LongDocumentAction.Truncate => LongDocuments.Truncate,
            LongDocumentAction.Windows => LongDocuments.Windows,
            _ => LongDocuments.Error,
        };
        _encoder = new ExampleEncoder(special, length, rule, section.WindowStride ?? Math.Max(1, length - 2), section.MostWindows);
        Parameters = _module.parameters().Sum(parameter => parameter.numel());
    }

    /// <summary>The classes, where the model is asked for them; null for vectors.</summary>
    public ClassificationHead? Head { get; }

    /// <summary>Numbers for each document.</summary>
    public int Outputs { get; }

    /// <summary>Why its encoder is computed operator by operator; null if it is not.</summary>
    public string? WithoutKernels => _pooled.WithoutKernels;

    /// <summary>Parameters of the model.</summary>
    public long Parameters { get; }

    /// <summary>What the model gives for some documents.</summary>
    /// <param name="documents">Their tokens.</param>
    /// <param name="advanced">Called after each forward pass.</param>
    /// <returns>[documents, outputs].</returns>
    /// <exception cref="BadDataException">A document is too long for the model, and the job says that this is an error.</exception>
    public float[] Apply(IEnumerable<int[]> documents, Action advanced)
    {
        var results = new List<float>();
        foreach (var block in documents.Chunk(_batch * BlockBatches))
        {
            var rows = block.SelectMany((tokens, document) => _encoder.Encode(new ExampleText(tokens, null)).Select(row => (Row: row, Document: document))).ToList();
            var sums = new float[block.Length * Outputs];
            var counts = new int[block.Length];
            // Rows of like lengths are padded least. The order is a stable one, so it follows from the documents.
            foreach (var batch in rows.OrderBy(row => row.Row.Length).Chunk(_batch))
            {
                var given = Forward([.. batch.Select(row => row.Row)]);
                for (var i = 0; i < batch.Length; i++)
                {
                    counts[batch[i].Document]++;
                    for (var j = 0; j < Outputs; j++)
                    {
                        sums[(batch[i].Document * Outputs) + j] += given[(i * Outputs) + j];
                    }
                }

                advanced();
            }

            results.AddRange(sums.Select((sum, i) => sum / counts[i / Outputs]));
        }

        return [.. results];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pooled.Dispose();
        _module.Dispose();
    }

    private float[] Forward(int[][] rows)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var length = rows.Max(row => row.Length);
        var (ids, mask) = (new long[rows.Length * length], new long[rows.Length * length]);
        Array.Fill(ids, _padding);
        for (var i = 0; i < rows.Length; i++)
        {
            for (var j = 0; j < rows[i].Length; j++)
            {
                (ids[(i * length) + j], mask[(i * length) + j]) = (rows[i][j], 1);
            }
        }

        var pooled = _pooled.Run(tensor(ids, [rows.Length, length], device: _device), tensor(mask, [rows.Length, length], device: _device));
        var given = _finish(pooled); // [rows, outputs]
        var numbers = given.to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        return Array.TrueForAll(numbers, float.IsFinite)
            ? numbers
            : throw new BadDataException("The model gives NaN or infinity: its weights are damaged, or too large for training.precision.");
    }
}

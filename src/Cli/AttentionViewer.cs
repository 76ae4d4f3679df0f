using Linformer.Cli.Drawing;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Inspection;
using OxyPlot;
using static TorchSharp.torch;

namespace Linformer.Cli;

/// <summary>The singular values of one layer's full attention maps.</summary>
/// <param name="Layer">The layer, from 1.</param>
/// <param name="Share">For each i, the share of the sum that the i + 1 largest hold; the mean over the heads.</param>
/// <param name="For90Percent">How many hold nine tenths of the sum.</param>
internal sealed record LayerSpectrum(int Layer, double[] Share, int For90Percent);

/// <summary>Draws what a model's attention does with a text.</summary>
internal sealed class AttentionViewer : IDisposable
{
    private readonly nn.Module _model;
    private readonly Encoder _encoder;
    private readonly LinformerConfig _config;
    private readonly ITokenizer _tokenizer;

    private AttentionViewer(nn.Module model, Encoder encoder, LinformerConfig config, ITokenizer tokenizer) =>
        (_model, _encoder, _config, _tokenizer) = (model, encoder, config, tokenizer);

    /// <summary>Layers of the encoder.</summary>
    public int Layers => _config.Layers;

    /// <summary>Heads of each layer.</summary>
    public int Heads => _config.Heads;

    /// <summary>Loads a model and its tokenizer.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="CommandException">The model is of another kind.</exception>
    public static AttentionViewer Load(string folder)
    {
        var description = ModelFolder.Describe(folder);
        var (model, encoder) = Open(folder, description.Kind);
        try
        {
            return new AttentionViewer(model, encoder, description.Config, TokenizerFile.Load(Path.Combine(folder, ModelFolder.TokenizerName)));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="CommandException">It is empty, or longer than the model reads.</exception>
    public int[] Encode(string text)
    {
        var ids = _tokenizer.Encode(text);
        if (ids.Length == 0)
            throw new CommandException("The text is empty: there is nothing to attend to.");
        return ids.Length <= _config.SequenceLength
            ? ids
            : throw new CommandException($"The text has {ids.Length} tokens; the model reads at most {_config.SequenceLength}.");
    }

    /// <summary>Draws the maps of some layers and heads.</summary>
    /// <param name="ids">The text's tokens.</param>
    /// <param name="layers">Layers, from 1.</param>
    /// <param name="heads">Heads, from 1.</param>
    public (PlotModel Plot, (int Width, int Height) Size) DrawMaps(int[] ids, IReadOnlyCollection<int> layers, IReadOnlyCollection<int> heads)
    {
        using var scope = NewDisposeScope();
        var maps = AttentionInspector.Maps(_encoder, Batch(ids));
        var drawn = layers.Order().SelectMany(layer => heads.Order().Select(head => new DrawnMap(layer, head, Matrix(maps[layer - 1][head - 1])))).ToList();
        var tokens = Array.ConvertAll(ids, Shown);
        var isFull = _config.Attention == AttentionKind.Full;
        var drawing = new AttentionMapDrawing(drawn, tokens, isFull ? tokens : null);
        return (drawing.Build(isFull ? "Attention of each token to each token" : "Attention of each token to the k projected positions"), drawing.Size);
    }

    /// <summary>Works out the spectra of all layers.</summary>
    /// <param name="ids">The text's tokens.</param>
    public IReadOnlyList<LayerSpectrum> Spectra(int[] ids)
    {
        using var scope = NewDisposeScope();
        return [.. AttentionInspector.Spectra(_encoder, Batch(ids)).Select((values, layer) => Spectrum(values, layer + 1))];
    }

    /// <summary>Draws spectra.</summary>
    /// <param name="spectra">Those of all layers.</param>
    public PlotModel DrawSpectra(IReadOnlyList<LayerSpectrum> spectra) => SpectrumDrawing.Build(
        "Singular values of the full attention map",
        [.. spectra.Select(layer => layer.Share)],
        _config.Attention == AttentionKind.Full ? null : _config.ProjectedLength);

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private static (nn.Module Model, Encoder Encoder) Open(string folder, ModelKind kind)
    {
        switch (kind)
        {
            case ModelKind.MaskedLanguage:
                var masked = ModelFolder.Load(folder);
                return (masked, masked.Encoder);
            case ModelKind.Classification:
                var classifier = ModelFolder.Load(folder, kind, of => new ClassificationModel(of.Config, of.Classification!));
                return (classifier, classifier.Encoder);
            default:
                throw new CommandException($"{folder}: the model is for {ConfigFile.NameOf(kind)}; maps are drawn of those for {ConfigFile.NameOf(ModelKind.MaskedLanguage)} and {ConfigFile.NameOf(ModelKind.Classification)}.");
        }
    }

    private static LayerSpectrum Spectrum(Tensor values, int layer)
    {
        var (heads, length) = (values.shape[0], values.shape[1]);
        var share = new double[length];
        for (var head = 0; head < heads; head++)
        {
            var cumulative = AttentionInspector.Cumulative(values[head].contiguous().data<double>().ToArray());
            for (var i = 0; i < length; i++)
                share[i] += cumulative[i] / heads;
        }

        return new LayerSpectrum(layer, share, Array.FindIndex(share, part => part >= 0.9) + 1);
    }

    private static double[,] Matrix(Tensor map)
    {
        var weights = map.contiguous().data<float>().ToArray();
        var matrix = new double[map.shape[0], map.shape[1]];
        for (var i = 0; i < weights.Length; i++)
            matrix[i / map.shape[1], i % map.shape[1]] = weights[i];
        return matrix;
    }

    private static Tensor Batch(int[] ids) => tensor(Array.ConvertAll(ids, id => (long)id), [1, ids.Length]);

    // A token's own text, on one line: part of a character shows as a replacement mark.
    private string Shown(int id)
    {
        var text = _tokenizer.DecodeText([id], skipSpecial: false).Replace(' ', '·');
        return string.Concat(text.Select(c => char.IsControl(c) ? '␣' : c));
    }
}

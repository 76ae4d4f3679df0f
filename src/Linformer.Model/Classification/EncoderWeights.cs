using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model.Classification;

/// <summary>The encoder of one model as the beginning of another that has another head.</summary>
public static class EncoderWeights
{
    private const string Prefix = "encoder.";

    /// <summary>Reads the parameters of an encoder, resized if the model has another sequence length; the head's stay as they are.</summary>
    /// <param name="path">The file of the other model's parameters.</param>
    /// <param name="source">What the other model is.</param>
    /// <param name="model">The model, whose encoder is overwritten.</param>
    /// <returns>What was resized; see <see cref="ProjectionResize"/>.</returns>
    /// <exception cref="ModelFormatException">The encoders have different shapes; names the field, and what it is in both.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static IReadOnlyList<ResizedTensor> Load(string path, ModelDescription source, ClassificationModel model)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(model);
        Compare(path, source.Config, model.Config);
        using var file = SafeTensorsFile.Open(path);
        var parameters = model.named_parameters().Where(p => p.name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(p => p.name, p => (Tensor)p.parameter, StringComparer.Ordinal);
        if (file.Tensors.FirstOrDefault(t => t.Name.StartsWith(Prefix, StringComparison.Ordinal) && !parameters.ContainsKey(t.Name)) is { } strange)
        {
            throw new ModelFormatException($"{file.Path}: tensor '{strange.Name}' is not one of the encoder that the job describes.");
        }

        return [.. parameters.Select(p => ProjectionResize.ReadInto(file, p.Key, p.Value)).OfType<ResizedTensor>()];
    }

    private static void Compare(string path, LinformerConfig source, LinformerConfig wanted)
    {
        Check("vocabularySize", source.VocabularySize, wanted.VocabularySize, "; the corpus has to be made with the model's tokenizer (corpus.tokenizer.file)");
        Check("model.layers", source.Layers, wanted.Layers);
        Check("model.heads", source.Heads, wanted.Heads);
        Check("model.hidden", source.Hidden, wanted.Hidden);
        Check("model.feedForward", source.FeedForward, wanted.FeedForward);
        Check("model.attention", source.Attention, wanted.Attention);
        Check("model.normalization", source.Normalization, wanted.Normalization);
        if (wanted.Attention == AttentionKind.Linear)
        {
            Check("model.projectedLength", source.ProjectedLength, wanted.ProjectedLength);
            Check("model.projectedLengths", source.ProjectedLengths, wanted.ProjectedLengths);
            Check("model.projection", source.Projection, wanted.Projection);
            Check("model.sharing", source.Sharing, wanted.Sharing);
        }

        void Check<T>(string field, T of, T job, string hint = "")
        {
            if (!Equals(of, job))
            {
                throw new ModelFormatException($"initializeFrom: the model of {path} has {field} {of}, and the job has {job}{hint}.");
            }
        }
    }
}

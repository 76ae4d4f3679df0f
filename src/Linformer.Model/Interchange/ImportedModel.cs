using Linformer.Model.Decoding;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>Another project's model in this project's names and shapes.</summary>
/// <param name="Description">What the model is for, and its shape.</param>
/// <param name="Parameters">float32 tensors by the names of docs/model-format.md, disposed with it. A head may be missing.</param>
/// <param name="Notes">What a user should know: what was left out, folded or made anew.</param>
public sealed record ImportedModel(ModelDescription Description, IReadOnlyDictionary<string, Tensor> Parameters, IReadOnlyList<string> Notes) : IDisposable
{
    // A head that the file lacks begins as in a model that is trained from the start.
    private const long Seed = 1;

    /// <summary>The shape of its encoder; of an open decoder, its own.</summary>
    public LinformerConfig Config => Description.Config;

    /// <summary>Makes a masked language model, set to evaluation.</summary>
    /// <exception cref="ModelFormatException">The model is of another kind, or a parameter is missing or has another shape than the model.</exception>
    public MaskedLanguageModel Build() => Description.Kind == ModelKind.MaskedLanguage
        ? (MaskedLanguageModel)BuildAny()
        : throw new ModelFormatException($"The model is for {ConfigFile.NameOf(Description.Kind)}; one for {ConfigFile.NameOf(ModelKind.MaskedLanguage)} is needed.");

    /// <summary>Makes the model, set to evaluation.</summary>
    /// <returns>A <see cref="MaskedLanguageModel"/>, an <see cref="OpenDecoder"/> or an <see cref="OpenSequenceToSequenceModel"/>, as <see cref="Description"/> says.</returns>
    /// <exception cref="ModelFormatException">A parameter is missing or has another shape than the model.</exception>
    public nn.Module BuildAny()
    {
        nn.Module model = Description.Kind switch
        {
            ModelKind.OpenDecoder => new OpenDecoder(Config),
            ModelKind.OpenSequenceToSequence => new OpenSequenceToSequenceModel(Config, Description.Decoder!),
            _ => new MaskedLanguageModel(Config),
        };
        try
        {
            Initialization.Apply(model, Seed);
            using var noGrad = no_grad();
            var named = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter, StringComparer.Ordinal);
            foreach (var (name, parameter) in named)
            {
                if (!Parameters.TryGetValue(name, out var value))
                {
                    if (!name.StartsWith("head_", StringComparison.Ordinal))
                    {
                        throw new ModelFormatException($"The file has nothing for the parameter '{name}'.");
                    }
                }
                else if (!value.shape.SequenceEqual(parameter.shape))
                {
                    throw new ModelFormatException($"'{name}' has the shape [{string.Join(", ", value.shape)}]; [{string.Join(", ", parameter.shape)}] is expected.");
                }
                else
                {
                    parameter.copy_(value);
                }
            }

            if (Parameters.Keys.FirstOrDefault(name => !named.ContainsKey(name)) is { } strange)
            {
                throw new ModelFormatException($"The model has no parameter '{strange}'.");
            }

            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Parameters.Values)
        {
            tensor.Dispose();
        }
    }
}

using Linformer.Data.Tokenizers;
using Linformer.Model;
using static TorchSharp.torch;

namespace Linformer.Cli.Generation;

/// <summary>A model that writes text, and its tokenizer.</summary>
/// <param name="Model">The model.</param>
/// <param name="Tokenizer">Its tokenizer.</param>
/// <param name="Mark">The token that a text begins with and ends with: what stands between documents in training.</param>
internal sealed record TextModel<TModel>(TModel Model, ITokenizer Tokenizer, int Mark) : IDisposable
    where TModel : nn.Module
{
    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">What the model has to be.</param>
    /// <param name="build">Makes it.</param>
    /// <exception cref="CommandException">Model and tokenizer do not fit together.</exception>
    public static TextModel<TModel> Load(string folder, ModelKind kind, Func<ModelDescription, TModel> build)
    {
        var tokenizer = TokenizerFile.Load(Path.Combine(folder, ModelFolder.TokenizerName));
        var vocabulary = ModelFolder.LoadConfig(folder).VocabularySize;
        if (tokenizer.VocabularySize != vocabulary)
        {
            throw new CommandException($"{folder}: the tokenizer has {tokenizer.VocabularySize} tokens and the model {vocabulary}.");
        }

        var special = tokenizer.Special;
        var mark = special.Separator ?? special.Begin ?? special.Unknown
            ?? throw new CommandException($"{folder}: the tokenizer has neither </s> nor <s> nor <unk>, one of which must stand between documents.");
        return new TextModel<TModel>(ModelFolder.Load(folder, kind, build), tokenizer, mark);
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}

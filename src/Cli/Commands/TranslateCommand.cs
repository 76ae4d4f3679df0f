using System.CommandLine;
using Linformer.Cli.Generation;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Generation;
using static TorchSharp.torch;

namespace Linformer.Cli.Commands;

/// <summary><c>translate MODEL TEXT</c>: the text that a sequence-to-sequence model makes of a text.</summary>
internal static class TranslateCommand
{
    private const int LinesAtOnce = 32;
    private const int MaximumTokens = 1024;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var command = new Command("translate", "Make a text of a text with a sequence-to-sequence model") { model };
        var input = new TextInput(command);
        var decoding = new DecodingOptions(command, MaximumTokens);
        command.WithExamples(
            "translate models/numbers-to-words 407213",
            "translate models/numbers-to-words --file numbers.txt --beams 4 --output json");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            using var loaded = Load(parsed.GetValue(model)!);
            var options = decoding.Read(parsed, loaded.Mark);

            // Who types lines wants each one's answer before the next.
            foreach (var lines in input.Read(parsed, cancellation).Chunk(input.IsFile(parsed) ? LinesAtOnce : 1))
            {
                foreach (var (line, sequence) in lines.Zip(Translate(loaded, lines, options, cancellation)))
                {
                    var written = WrittenText.Of(line, sequence, loaded.Tokenizer);
                    context.WriteResult(written, output => output.WriteLine(written.Text.Trim()));
                }
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static TextModel<nn.Module> Load(string folder)
    {
        var found = ModelFolder.Describe(folder);
        if (found.Kind != ModelKind.OpenSequenceToSequence)
        {
            return TextModel<nn.Module>.Load(folder, ModelKind.SequenceToSequence, of => new SequenceToSequenceModel(of.Config));
        }

        return found.Config.VocabularySize == found.Decoder!.VocabularySize
            ? TextModel<nn.Module>.Load(folder, found.Kind, of => new OpenSequenceToSequenceModel(of.Config, of.Decoder!))
            : throw new CommandException($"{folder}: encoder and decoder have vocabularies of their own, of {found.Config.VocabularySize} and {found.Decoder.VocabularySize} tokens, and a folder has one tokenizer.");
    }

    private static IReadOnlyList<GeneratedSequence> Translate(
        TextModel<nn.Module> loaded, string[] texts, GenerationOptions options, CancellationToken cancellation)
    {
        long[][] sources = [.. texts.Select(text => loaded.Tokenizer.Encode(text).Append(loaded.Mark).Select(token => (long)token).ToArray())];
        var length = sources.Max(source => source.Length);
        var model = (ISequenceToSequenceModel)loaded.Model;
        if (length > model.SourceLength)
        {
            throw new CommandException($"A text has {length - 1} tokens; the model reads at most {model.SourceLength - 1}.");
        }

        using var scope = NewDisposeScope();
        var ids = sources.SelectMany(source => source.Concat(Enumerable.Repeat((long)loaded.Mark, length - source.Length))).ToArray();
        var keep = sources.SelectMany(source => Enumerable.Range(0, length).Select(i => i < source.Length ? 1L : 0)).ToArray();
        using var read = model.Read(tensor(ids, [texts.Length, length]), tensor(keep, [texts.Length, length]));
        return SequenceGenerator.Generate(read, [.. texts.Select(_ => new[] { loaded.Mark })], options, cancellation: cancellation);
    }
}

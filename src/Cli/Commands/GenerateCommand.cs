using System.CommandLine;
using Linformer.Cli.Generation;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Generation;

namespace Linformer.Cli.Commands;

/// <summary><c>generate MODEL TEXT</c>: how a causal language model goes on from a text.</summary>
internal static class GenerateCommand
{
    private const int MaximumTokens = 128;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var command = new Command("generate", "Go on from a text, token by token, with a causal language model") { model };
        var input = new TextInput(command);
        var decoding = new DecodingOptions(command, MaximumTokens);
        command.WithExamples(
            "generate models/brown-causal \"The jury said\"",
            "generate models/brown-causal \"The jury said\" --top-p 0.9 --temperature 0.8 --seed 7",
            "generate models/brown-causal --file prompts.txt --beams 4 --output json");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            using var loaded = TextModel<CausalLanguageModel>.Load(parsed.GetValue(model)!, ModelKind.CausalLanguage, description => new CausalLanguageModel(description.Config));
            var options = decoding.Read(parsed, loaded.Mark);
            foreach (var text in input.Read(parsed, cancellation))
            {
                Generate(context, loaded, options, text, cancellation);
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static void Generate(CommandContext context, TextModel<CausalLanguageModel> loaded, GenerationOptions options, string text, CancellationToken cancellation)
    {
        int[] prompt = [loaded.Mark, .. loaded.Tokenizer.Encode(text)];
        if (prompt.Length >= loaded.Model.MaximumLength)
        {
            throw new CommandException($"The text has {prompt.Length - 1} tokens; the model goes on from at most {loaded.Model.MaximumLength - 2}.");
        }

        if (context.Format == OutputFormat.Json)
        {
            var result = SequenceGenerator.Generate(loaded.Model, [prompt], options, cancellation: cancellation)[0];
            context.WriteResult(WrittenText.Of(text, result, loaded.Tokenizer), _ => { });
            return;
        }

        // Shown as it comes; a beam comes at the end.
        context.Output.Write(text);
        var writer = new TokenWriter(loaded.Tokenizer, context.Output);
        try
        {
            var sequence = SequenceGenerator.Generate(loaded.Model, [prompt], options, (_, token) => writer.Write(token), cancellation)[0];
            foreach (var token in options.Kind == DecodingKind.Beam ? sequence.Tokens : [])
            {
                writer.Write(token);
            }
        }
        finally
        {
            writer.End();
        }
    }
}

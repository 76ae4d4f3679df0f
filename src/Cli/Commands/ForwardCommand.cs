using System.CommandLine;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Cli.Commands;

/// <summary><c>forward MODEL --input F --to G</c>: one forward pass from and to safetensors files.</summary>
internal static class ForwardCommand
{
    private const string InputIds = "input_ids";
    private const string AttentionMask = "attention_mask";

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var input = new Option<string>("--input")
        {
            Description = "safetensors file with input_ids [batch, n] and, optionally, attention_mask [batch, n]: 1 for a token, 0 for padding",
            HelpName = "FILE",
            Required = true,
        };
        var to = new Option<string>("--to")
        {
            Description = "File to write: hidden_states [batch, n, hidden] and logits [batch, n, vocabulary]; of a causal model those of the token after each position",
            HelpName = "FILE",
            Required = true,
        };
        var command = new Command("forward", "Run a model once on ids from a safetensors file") { model, input, to };
        command.SetAction(parsed =>
        {
            var context = CommandContext.Of(parsed);
            var path = parsed.GetValue(to)!;
            var shape = Run(parsed.GetValue(model)!, parsed.GetValue(input)!, path);
            context.WriteResult(
                new { file = path, hiddenStates = shape },
                output => output.WriteLine($"{path}: hidden_states [{string.Join(", ", shape)}] and logits"));
            return ExitCodes.Success;
        });
        return command;
    }

    private static long[] Run(string folder, string input, string output)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var model = LanguageModel.Load(folder);
        using var file = SafeTensorsFile.Open(input);
        var ids = ReadIntegers(file, InputIds);
        CheckIds(ids, model.Config.VocabularySize, input);
        var mask = file.Contains(AttentionMask) ? ReadIntegers(file, AttentionMask) : null;
        Tensor hidden;
        try
        {
            hidden = model.HiddenStates(ids, mask); // [batch, n, hidden]
        }
        catch (ArgumentException e)
        {
            throw new CommandException($"{input}: {e.Message}");
        }

        Weights.Write(output, [("hidden_states", hidden), ("logits", model.Logits(hidden))]);
        return hidden.shape;
    }

    private static Tensor ReadIntegers(SafeTensorsFile file, string name) => file[name].Type switch
    {
        ElementType.I64 or ElementType.I32 or ElementType.I16 or ElementType.I8 or ElementType.U8 or ElementType.BOOL =>
            Weights.Read(file, name).to_type(ScalarType.Int64),
        var type => throw new CommandException($"{file.Path}: tensor '{name}' has elements of type {type}; whole numbers are expected."),
    };

    private static void CheckIds(Tensor ids, int vocabulary, string path)
    {
        if (ids.numel() == 0)
        {
            throw new CommandException($"{path}: {InputIds} is empty.");
        }

        var (low, high) = (ids.min().item<long>(), ids.max().item<long>());
        if (low < 0 || high >= vocabulary)
        {
            throw new CommandException($"{path}: {InputIds} has the id {(low < 0 ? low : high)}; allowed are 0 to {vocabulary - 1}.");
        }
    }

    /// <summary>A model that is run.</summary>
    /// <param name="Module">The model.</param>
    /// <param name="Config">Its shape.</param>
    /// <param name="HiddenStates">Given ids and mask [batch, n], what encoder or decoder give, [batch, n, hidden].</param>
    /// <param name="Logits">Given hidden states, what the head gives, [batch, n, vocabulary].</param>
    private sealed record LanguageModel(nn.Module Module, LinformerConfig Config, Func<Tensor, Tensor?, Tensor> HiddenStates, Func<Tensor, Tensor> Logits) : IDisposable
    {
        public static LanguageModel Load(string folder) => ModelFolder.Describe(folder).Kind switch
        {
            ModelKind.MaskedLanguage => Of(ModelFolder.Load(folder)),
            ModelKind.CausalLanguage => Of(ModelFolder.Load(folder, ModelKind.CausalLanguage, found => new CausalLanguageModel(found.Config))),
            var kind => throw new CommandException($"{folder}: the model is for {ConfigFile.NameOf(kind)}; forward runs models for {ConfigFile.NameOf(ModelKind.MaskedLanguage)} and {ConfigFile.NameOf(ModelKind.CausalLanguage)}."),
        };

        public void Dispose() => Module.Dispose();

        private static LanguageModel Of(MaskedLanguageModel model) => new(model, model.Config, model.Encoder.call, model.Logits);

        private static LanguageModel Of(CausalLanguageModel model) => new(model, model.Config, model.HiddenStates, model.Logits);
    }
}

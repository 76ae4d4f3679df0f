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
    private const string TargetIds = "target_ids";
    private const string TargetMask = "target_mask";
    private const string SourceStates = "source_states";
    private const string SourceMask = "source_mask";

    private static readonly ModelKind[] Runnable = [ModelKind.MaskedLanguage, ModelKind.CausalLanguage, ModelKind.OpenDecoder, ModelKind.OpenSequenceToSequence];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var input = new Option<string>("--input")
        {
            Description = "safetensors file with input_ids [batch, n] and, optionally, attention_mask [batch, n]: 1 for a token, 0 for padding; for an open-sequence-to-sequence also target_ids, for an open-decoder target_ids and source_states",
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
        using var file = SafeTensorsFile.Open(input);
        try
        {
            var (hidden, logits) = Run(folder, file);
            Weights.Write(output, [("hidden_states", hidden), ("logits", logits)]);
            return hidden.shape;
        }
        catch (ArgumentException e)
        {
            throw new CommandException($"{input}: {e.Message}");
        }
    }

    // [batch, n, hidden] and [batch, n, vocabulary].
    private static (Tensor Hidden, Tensor Logits) Run(string folder, SafeTensorsFile file) => ModelFolder.Describe(folder).Kind switch
    {
        ModelKind.MaskedLanguage => RunMasked(folder, file),
        ModelKind.CausalLanguage => RunCausal(folder, file),
        ModelKind.OpenDecoder => RunOpenDecoder(folder, file),
        ModelKind.OpenSequenceToSequence => RunOpenSequenceToSequence(folder, file),
        var kind => throw new CommandException(
            $"{folder}: the model is for {ConfigFile.NameOf(kind)}; forward runs models for {string.Join(", ", Runnable.Select(ConfigFile.NameOf))}."),
    };

    private static (Tensor Hidden, Tensor Logits) RunMasked(string folder, SafeTensorsFile file)
    {
        using var model = ModelFolder.Load(folder);
        var hidden = model.Encoder.call(ReadIds(file, InputIds, model.Config.VocabularySize), ReadMask(file, AttentionMask));
        return (hidden, model.Logits(hidden));
    }

    private static (Tensor Hidden, Tensor Logits) RunCausal(string folder, SafeTensorsFile file)
    {
        using var model = ModelFolder.Load(folder, ModelKind.CausalLanguage, of => new CausalLanguageModel(of.Config));
        var hidden = model.HiddenStates(ReadIds(file, InputIds, model.Config.VocabularySize), ReadMask(file, AttentionMask));
        return (hidden, model.Logits(hidden));
    }

    private static (Tensor Hidden, Tensor Logits) RunOpenDecoder(string folder, SafeTensorsFile file)
    {
        using var model = ModelFolder.Load(folder, ModelKind.OpenDecoder, of => new OpenDecoder(of.Config));
        var target = ReadIds(file, TargetIds, model.Config.VocabularySize);
        var source = Weights.Read(file, SourceStates).to_type(ScalarType.Float32);
        var hidden = model.HiddenStates(target, ReadMask(file, TargetMask), source, ReadMask(file, SourceMask));
        return (hidden, model.Logits(hidden));
    }

    private static (Tensor Hidden, Tensor Logits) RunOpenSequenceToSequence(string folder, SafeTensorsFile file)
    {
        using var model = ModelFolder.Load(
            folder, ModelKind.OpenSequenceToSequence, of => new OpenSequenceToSequenceModel(of.Config, of.Decoder!));
        var source = ReadIds(file, InputIds, model.Config.VocabularySize);
        var target = ReadIds(file, TargetIds, model.DecoderConfig.VocabularySize);
        var hidden = model.HiddenStates(source, ReadMask(file, AttentionMask), target, ReadMask(file, TargetMask));
        return (hidden, model.Logits(hidden));
    }

    private static Tensor ReadIds(SafeTensorsFile file, string name, int vocabulary)
    {
        var ids = ReadIntegers(file, name);
        CheckIds(ids, name, vocabulary, file.Path);
        return ids;
    }

    private static Tensor? ReadMask(SafeTensorsFile file, string name) => file.Contains(name) ? ReadIntegers(file, name) : null;

    private static Tensor ReadIntegers(SafeTensorsFile file, string name) => file[name].Type switch
    {
        ElementType.I64 or ElementType.I32 or ElementType.I16 or ElementType.I8 or ElementType.U8 or ElementType.BOOL =>
            Weights.Read(file, name).to_type(ScalarType.Int64),
        var type => throw new CommandException($"{file.Path}: tensor '{name}' has elements of type {type}; whole numbers are expected."),
    };

    private static void CheckIds(Tensor ids, string name, int vocabulary, string path)
    {
        if (ids.numel() == 0)
        {
            throw new CommandException($"{path}: {name} is empty.");
        }

        var (low, high) = (ids.min().item<long>(), ids.max().item<long>());
        if (low < 0 || high >= vocabulary)
        {
            throw new CommandException($"{path}: {name} has the id {(low < 0 ? low : high)}; allowed are 0 to {vocabulary - 1}.");
        }
    }
}

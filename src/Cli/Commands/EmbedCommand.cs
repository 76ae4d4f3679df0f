using System.CommandLine;
using System.Runtime.InteropServices;
using Linformer.Cli.Classification;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Files;
using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Cli.Commands;

/// <summary><c>embed MODEL [TEXT…]</c>: a vector for each text.</summary>
internal static class EmbedCommand
{
    private const string TensorName = "embeddings";
    private const string Numpy = ".npy";
    private const string SafeTensors = ".safetensors";

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder: masked-lm or classification" };
        var pooling = new Option<Pooling>("--pooling") { Description = "The mean over all tokens' hidden states, or the first token's", DefaultValueFactory = _ => Pooling.Mean };
        var to = new Option<string?>("--to") { Description = "File to write instead of lines of JSON: .npy, or .safetensors with the tensor embeddings; [texts, hidden] float32", HelpName = "FILE" };
        to.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } path && Path.GetExtension(path) is not (Numpy or SafeTensors))
                result.AddError($"--to is {path}; it must end in {Numpy} or {SafeTensors}.");
        });
        var (pairs, rule) = (PairsOption.Create(), LongOption.Create());
        var command = new Command("embed", "Give a vector for each text: hidden states of the encoder, pooled") { model, pooling, to };
        var input = new TextInput(command, keepsEmptyLines: true);
        command.Add(pairs);
        command.Add(rule);
        command.WithExamples("embed linformer-data/models/tiny \"A text.\"", "embed linformer-data/models/tiny --file texts.txt --to texts.npy");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var folder = parsed.GetValue(model)!;
            var (owner, encoder, config) = Load(folder);
            using (owner)
            using (var pooled = new PooledEncoder(encoder, parsed.GetValue(pooling)))
            {
                var texts = new TextEncoder(folder, config, parsed.GetValue(rule)).Run(
                    PairsOption.Split(input.Read(parsed, cancellation), parsed.GetValue(pairs)), pooled.Run, cancellation);
                if (parsed.GetValue(to) is { } path)
                    WriteFile(context, path, texts, config.Hidden);
                else
                    WriteLines(context, texts);
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static (nn.Module Owner, Linformer.Model.Encoder Encoder, LinformerConfig Config) Load(string folder)
    {
        var description = ModelFolder.Describe(folder);
        switch (description.Kind)
        {
            case ModelKind.MaskedLanguage:
                var masked = ModelFolder.Load(folder);
                return (masked, masked.Encoder, description.Config);
            case ModelKind.Classification:
                var classifier = ModelFolder.Load(folder, ModelKind.Classification, of => new ClassificationModel(of.Config, of.Classification!));
                return (classifier, classifier.Encoder, description.Config);
            default:
                throw new CommandException($"{folder}: the model is for {ConfigFile.NameOf(description.Kind)}; embed reads the encoder of one for masked-lm or classification.");
        }
    }

    // Lines of JSON whatever --output says: a vector is nothing that people read.
    private static void WriteLines(CommandContext context, IEnumerable<(string Text, string? Pair, float[] Numbers)> texts)
    {
        foreach (var (text, textPair, embedding) in texts)
            (context with { Format = OutputFormat.Json }).WriteResult(new { text, textPair, embedding }, _ => { });
    }

    private static void WriteFile(CommandContext context, string path, IEnumerable<(string Text, string? Pair, float[] Numbers)> texts, int hidden)
    {
        var numbers = new List<float>();
        var count = 0;
        foreach (var (_, _, embedding) in texts)
        {
            numbers.AddRange(embedding);
            count++;
        }

        AtomicFile.Write(path, stream =>
        {
            void Content(Stream to) => to.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(numbers)));
            if (path.EndsWith(SafeTensors, StringComparison.Ordinal))
            {
                SafeTensorsWriter.Write(stream, [new SafeTensorEntry(TensorName, ElementType.F32, [count, hidden], Content)]);
                return;
            }

            stream.Write(NumpyHead(count, hidden));
            Content(stream);
        });
        context.WriteResult(new { file = path, texts = count, hidden }, output => output.WriteLine($"{path}: {count:#,0} texts, {hidden} numbers each"));
    }

    // Format 1.0 of NumPy's files: magic, version, length, a dictionary in Python's notation, padded to 64 bytes.
    private static byte[] NumpyHead(int count, int hidden)
    {
        var text = FormattableString.Invariant($"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {hidden}), }}");
        var padded = text.PadRight((((10 + text.Length + 1 + 63) / 64) * 64) - 11) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)padded.Length, (byte)(padded.Length >> 8), .. System.Text.Encoding.ASCII.GetBytes(padded)];
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Cli.Progress;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Files;
using Linformer.Model.Interchange;
using static TorchSharp.torch;

namespace Linformer.Cli.Conversion;

/// <summary>Takes models from one form to another.</summary>
internal static class Converter
{
    private const string Own = "linformer";
    private const int SampleBytes = 8 << 20;
    private const int MostSamples = 1024;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Converts.</summary>
    /// <exception cref="CommandException">The request cannot be met.</exception>
    /// <exception cref="ModelFormatException">The model is not what was said, or does not fit; names what.</exception>
    public static ConversionResult Run(ConversionRequest request, IProgressReporter progress, CancellationToken cancellation)
    {
        Check(request);
        var notes = new List<string>();
        var tokenizer = Directory.Exists(request.Source) ? TokenizerFolder.Find(request.Source) : null;
        var (read, description) = Read(request, notes);
        using var whole = read;
        foreach (var size in new[] { description.Config.VocabularySize, description.Decoder?.VocabularySize }.OfType<int>())
        {
            if (tokenizer is not null && tokenizer.VocabularySize != size)
            {
                notes.Add($"The tokenizer has {tokenizer.VocabularySize} tokens and the model {size}; it was left out.");
                tokenizer = null;
            }
        }

        using var changed = Change(request, read, description, tokenizer, progress, cancellation);
        var model = changed ?? read;
        Write(request, model, changed is null ? description : description with { Config = changed.Config }, tokenizer);
        return new ConversionResult(model.parameters().Sum(parameter => parameter.numel()), tokenizer is not null, notes);
    }

    private static void Check(ConversionRequest request)
    {
        foreach (var (option, name) in new[] { ("--from", request.From), ("--to-format", request.ToFormat ?? Own) })
        {
            if (name != Own && !ModelFormats.Names.Contains(name))
            {
                throw new CommandException($"{option} is '{name}'; allowed are {Own}, {string.Join(", ", ModelFormats.Names)}.");
            }
        }

        if (!File.Exists(request.Source) && !Directory.Exists(request.Source))
        {
            throw new CommandException($"{request.Source}: there is no such file or folder.");
        }

        if ((request.Rule is not null || request.Sample is not null) && !request.Linear)
        {
            throw new CommandException("--rule and --sample are for Linformers that are made of Transformers: give --projected-length or --attention linear, too.");
        }

        var isThere = File.Exists(request.To) || (Directory.Exists(request.To) && Directory.EnumerateFileSystemEntries(request.To).Any());
        if (isThere && !request.Force)
        {
            throw new CommandException($"{request.To} is there already; --force replaces it.");
        }
    }

    private static (nn.Module Model, ModelDescription Description) Read(ConversionRequest request, List<string> notes)
    {
        if (request.From == Own)
        {
            var description = ModelFolder.Describe(request.Source);
            return (ReadOwn(request.Source, description.Kind), description);
        }

        var options = request.Options is null ? null : ModelFormats.ReadOptions(request.Options);
        using var imported = ModelFormats.Import(request.From, request.Source, options);
        notes.AddRange(imported.Notes);
        return (imported.BuildAny(), imported.Description);
    }

    private static nn.Module ReadOwn(string folder, ModelKind kind) => kind switch
    {
        ModelKind.OpenDecoder => ModelFolder.Load(folder, kind, of => new OpenDecoder(of.Config)),
        ModelKind.OpenSequenceToSequence => ModelFolder.Load(folder, kind, of => new OpenSequenceToSequenceModel(of.Config, of.Decoder!)),
        _ => ModelFolder.Load(folder),
    };

    private static MaskedLanguageModel? Change(
        ConversionRequest request, nn.Module read, ModelDescription description, ITokenizer? tokenizer, IProgressReporter progress, CancellationToken cancellation)
    {
        if (read is not MaskedLanguageModel model)
        {
            return !request.Linear && request.Length is null ? null
                : throw new CommandException($"{request.Source}: the model is for {ConfigFile.NameOf(description.Kind)}; --projected-length, --attention linear and --length are for {ConfigFile.NameOf(ModelKind.MaskedLanguage)}.");
        }

        if (!request.Linear)
        {
            return request.Length is { } length ? WarmStart.Lengthened(model, length) : null;
        }

        var n = request.Length ?? model.Config.SequenceLength;
        using var samples = request.Sample is null ? null : Samples(request.Sample, tokenizer, n);
        var options = new WarmStartOptions
        {
            ProjectedLength = request.ProjectedLength ?? Math.Max(1, n / 4),
            Sharing = request.Sharing,
            SequenceLength = request.Length,
            Rule = request.Rule ?? ProjectionRule.MeanPool,
            Samples = samples,
        };
        using var phase = progress.StartPhase("Finding E and F", "steps", options.Steps);
        var linear = WarmStart.ToLinear(model, options with
        {
            Progress = (step, _) =>
            {
                cancellation.ThrowIfCancellationRequested();
                phase.Report(step);
            },
        });
        phase.Complete();
        return linear;
    }

    private static Tensor Samples(string file, ITokenizer? tokenizer, int n)
    {
        if (tokenizer is null)
        {
            throw new CommandException("--sample needs the model's tokenizer, and its folder has none.");
        }

        using var stream = File.OpenRead(file);
        var bytes = new byte[(int)Math.Min(SampleBytes, stream.Length)];
        stream.ReadExactly(bytes);
        var ids = tokenizer.Encode(bytes);
        var count = Math.Min(MostSamples, ids.Length / n);
        return count > 0
            ? tensor([.. ids.Take(count * n).Select(id => (long)id)], [count, n])
            : throw new CommandException($"{file}: has {ids.Length} tokens; at least n, {n}, are needed.");
    }

    private static void Write(ConversionRequest request, nn.Module model, ModelDescription description, ITokenizer? tokenizer)
    {
        if (request.ToFormat is null or Own)
        {
            WriteFolder(request.To, model, description, tokenizer);
            return;
        }

        using var exported = ModelFormats.Export(request.ToFormat, model, description);
        if (request.ToFormat is "roberta" or "bert")
        {
            Directory.CreateDirectory(request.To);
            exported.Write(Path.Combine(request.To, ModelFolder.WeightsName));
            WriteOptions(Path.Combine(request.To, ConfigFile.Name), exported.Options);
            tokenizer?.Save(Path.Combine(request.To, ModelFolder.TokenizerName));
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(request.To))!);
        exported.Write(request.To);
        WriteOptions(Path.ChangeExtension(request.To, ".json"), exported.Options);
    }

    private static void WriteOptions(string path, JsonObject options) => AtomicFile.Write(path, options.ToJsonString(Indented) + "\n");

    private static void WriteFolder(string folder, nn.Module model, ModelDescription description, ITokenizer? tokenizer)
    {
        var temporary = Directory.CreateTempSubdirectory("linformer-convert-");
        try
        {
            var file = Path.Combine(temporary.FullName, ModelFolder.TokenizerName);
            tokenizer?.Save(file);
            ModelFolder.Save(folder, model, description, tokenizer is null ? null : file);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }
}

using System.CommandLine;
using Linformer.Cli.Conversion;
using Linformer.Model;
using Linformer.Model.Interchange;

namespace Linformer.Cli.Commands;

/// <summary><c>convert SOURCE --from FORMAT --to PATH</c>: models from and to other projects, and Linformers made of Transformers.</summary>
internal static class ConvertCommand
{
    private static readonly (string Name, ProjectionSharing Value)[] Sharings =
    [
        ("none", ProjectionSharing.None), ("headwise", ProjectionSharing.Headwise), ("key-value", ProjectionSharing.KeyValue), ("layerwise", ProjectionSharing.Layerwise),
    ];

    private static readonly (string Name, ProjectionRule Value)[] Rules =
    [
        ("fit", ProjectionRule.Fit), ("mean-pool", ProjectionRule.MeanPool), ("strided", ProjectionRule.Strided), ("principal", ProjectionRule.Principal), ("random", ProjectionRule.Random),
    ];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var source = new Argument<string>("SOURCE") { Description = "A file of tensors (.safetensors, or what torch.save writes) or a folder in Hugging Face's layout; with --from linformer a model's folder" };
        var from = new Option<string>("--from") { Description = $"What it is: linformer, {string.Join(", ", ModelFormats.Names)}", HelpName = "FORMAT", Required = true };
        var to = new Option<string>("--to") { Description = "What to write: a model's folder; for lucidrains, tatp22 and fairseq a file, .pt or .safetensors, with its options beside it in .json", HelpName = "PATH", Required = true };
        var toFormat = new Option<string?>("--to-format") { Description = $"Write it for another project: {string.Join(", ", ModelFormats.Names)} (default: linformer)", HelpName = "FORMAT" };
        var options = new Option<string?>("--options") { Description = "JSON file with the arguments of the other project's constructor, where its file does not have them", HelpName = "FILE" };
        var k = new Option<int?>("--projected-length", "--k") { Description = "Make a Linformer of a model with full attention: its projected length k", HelpName = "K" };
        var attention = new Option<string?>("--attention") { Description = "linear: the same, with the usual k, a quarter of n; full: keep full attention", HelpName = "KIND" };
        var sharing = new Option<string>("--sharing") { Description = "How its E and F are shared: none, headwise, key-value, layerwise", HelpName = "KIND", DefaultValueFactory = _ => "headwise" };
        var rule = new Option<string?>("--rule") { Description = "How its E and F begin: fit, mean-pool, strided, principal, random (default: mean-pool)", HelpName = "RULE" };
        var sample = new Option<string?>("--sample") { Description = "Text that --rule fit and principal look at", HelpName = "FILE" };
        var length = new Option<int?>("--length") { Description = "Take a model with full attention to another longest sequence n first; positions are interpolated", HelpName = "N" };
        var force = new Option<bool>("--force") { Description = "Replace what --to names if it is there" };
        var command = new Command("convert", "Take a model from or to another project, or make a Linformer of a Transformer")
        {
            source, from, to, toFormat, options, k, attention, sharing, rule, sample, length, force,
        };
        command.WithExamples(
            "convert roberta-base --from roberta --to models/roberta",
            "convert roberta-base --from roberta --k 128 --to models/linformer",
            "convert model.pt --from lucidrains --options arguments.json --to models/lucidrains",
            "convert models/tiny --from linformer --to-format tatp22 --to tiny.pt");
        command.SetAction((parsed, cancellation) =>
        {
            var request = new ConversionRequest
            {
                Source = parsed.GetValue(source)!,
                From = parsed.GetValue(from)!,
                To = parsed.GetValue(to)!,
                ToFormat = parsed.GetValue(toFormat),
                Options = parsed.GetValue(options),
                Linear = IsLinear(parsed.GetValue(attention), parsed.GetValue(k)),
                ProjectedLength = parsed.GetValue(k),
                Sharing = OneOf("--sharing", parsed.GetValue(sharing)!, Sharings),
                Rule = parsed.GetValue(rule) is { } name ? OneOf("--rule", name, Rules) : null,
                Sample = parsed.GetValue(sample),
                Length = parsed.GetValue(length),
                Force = parsed.GetValue(force),
            };
            Report(CommandContext.Of(parsed), request, cancellation);
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static void Report(CommandContext context, ConversionRequest request, CancellationToken cancellation)
    {
        ConversionResult result;
        using (var progress = context.StartProgress())
        {
            result = Converter.Run(request, progress, cancellation);
        }

        foreach (var note in result.Notes)
        {
            context.Note(note);
        }

        context.WriteResult(
            new { to = request.To, format = request.ToFormat ?? "linformer", parameters = result.Parameters, tokenizer = result.HasTokenizer, notes = result.Notes },
            output => output.WriteLine(FormattableString.Invariant($"{request.To}: {result.Parameters:#,0} parameters{(result.HasTokenizer ? ", with tokenizer" : "")}")));
    }

    private static bool IsLinear(string? attention, int? k) => attention switch
    {
        null => k is not null,
        "linear" => true,
        "full" when k is null => false,
        "full" => throw new CommandException("--attention full and --projected-length do not go together: full attention has no k."),
        _ => throw new CommandException($"--attention is '{attention}'; allowed are linear and full."),
    };

    private static T OneOf<T>(string option, string text, (string Name, T Value)[] choices)
    {
        var found = Array.FindIndex(choices, choice => choice.Name == text);
        return found >= 0 ? choices[found].Value : throw new CommandException($"{option} is '{text}'; allowed are {string.Join(", ", choices.Select(choice => choice.Name))}.");
    }
}

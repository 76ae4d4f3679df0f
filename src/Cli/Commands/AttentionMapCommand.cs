using System.CommandLine;
using System.Globalization;
using Linformer.Cli.Drawing;

namespace Linformer.Cli.Commands;

/// <summary><c>attention-map MODEL TEXT --to FILE</c>: pictures of what the attention of a model does.</summary>
internal static class AttentionMapCommand
{
    private const int MostBytes = 1 << 20;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var text = new Argument<string?>("TEXT") { Description = "The text; - or nothing reads standard input", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--file") { Description = "Read the text from a file instead", HelpName = "FILE" };
        var to = new Option<string?>("--to") { Description = "Picture of the maps, a grid of layers and heads: .png or .svg", HelpName = "FILE" };
        var spectrum = new Option<string?>("--spectrum")
        {
            Description = "Picture of the singular values of the full attention maps: how few of them hold most of a map, which is why k may be small",
            HelpName = "FILE",
        };
        var layers = Numbers("--layers", "Layers to draw, from 1, such as 1,4 or 1-3 (default: all)");
        var heads = Numbers("--heads", "Heads to draw, from 1 (default: all)");
        to.Validators.Add(result => CheckEnding(result.GetValueOrDefault<string?>(), "--to", result.AddError));
        spectrum.Validators.Add(result => CheckEnding(result.GetValueOrDefault<string?>(), "--spectrum", result.AddError));
        var command = new Command("attention-map", "Draw the attention maps of a model for a text, and their singular values") { model, text, file, to, spectrum, layers, heads };
        command.Validators.Add(result =>
        {
            if (result.GetValue(to) is null && result.GetValue(spectrum) is null)
                result.AddError("Give --to FILE, --spectrum FILE, or both.");
            if (result.GetValue(text) is not null && result.GetValue(file) is not null)
                result.AddError("Give the text or --file, not both.");
        });
        command.WithExamples(
            "attention-map my-model \"The captain went ashore.\" --to map.png",
            "attention-map my-model --file letter.txt --layers 1-2 --to map.svg --spectrum spectrum.png");
        command.SetAction(parsed =>
        {
            var context = CommandContext.Of(parsed);
            using var viewer = AttentionViewer.Load(parsed.GetValue(model)!);
            var ids = viewer.Encode(ReadText(parsed.GetValue(text), parsed.GetValue(file)));
            var written = new List<string>();
            if (parsed.GetValue(to) is { } map)
            {
                var (plot, size) = viewer.DrawMaps(ids, Chosen(parsed.GetValue(layers), viewer.Layers, "--layers"), Chosen(parsed.GetValue(heads), viewer.Heads, "--heads"));
                Picture.Write(map, plot, size);
                written.Add(map);
            }

            var spectra = parsed.GetValue(spectrum) is null ? null : viewer.Spectra(ids);
            if (spectra is not null)
            {
                Picture.Write(parsed.GetValue(spectrum)!, viewer.DrawSpectra(spectra), SpectrumDrawing.Size);
                written.Add(parsed.GetValue(spectrum)!);
            }

            foreach (var warning in written.Select(Picture.Warning).OfType<string>())
                context.Note(warning);
            context.WriteResult(new { files = written, tokens = ids.Length, spectra }, output => Write(output, written, ids.Length, spectra));
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(TextWriter output, List<string> written, int tokens, IReadOnlyList<LayerSpectrum>? spectra)
    {
        foreach (var path in written)
            output.WriteLine($"{path}: written");
        foreach (var layer in spectra ?? [])
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"layer {layer.Layer}: {layer.For90Percent} of {tokens} singular values hold 90 % of their sum"));
    }

    private static Option<string?> Numbers(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "LIST" };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } list && NumberRanges.Parse(list) is null)
                result.AddError($"{name} is '{list}'; numbers and ranges from 1 are expected, such as 1,4 or 1-3.");
        });
        return option;
    }

    private static void CheckEnding(string? path, string option, Action<string> addError)
    {
        if (path is not null && !Picture.Endings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
            addError($"{option} is '{path}'; its name must end in {string.Join(" or ", Picture.Endings)}.");
    }

    private static IReadOnlyCollection<int> Chosen(string? list, int count, string option)
    {
        if (list is null)
            return [.. Enumerable.Range(1, count)];
        var chosen = NumberRanges.Parse(list)!;
        return chosen.Max <= count
            ? [.. Enumerable.Range(1, count).Where(chosen.Contains)]
            : throw new CommandException($"{option} names {chosen.Max}; the model has 1 to {count}.");
    }

    private static string ReadText(string? text, string? file)
    {
        if (text is not null and not "-")
            return text;
        if (file is not null && !File.Exists(file))
            throw new CommandException($"{file}: there is no such file.");
        using var reader = file is null ? Console.In : new StreamReader(file);
        var buffer = new char[MostBytes + 1];
        var read = reader.ReadBlock(buffer);
        return read <= MostBytes ? new string(buffer, 0, read) : throw new CommandException($"{file ?? "standard input"}: a text has at most {MostBytes / 1024} Ki characters.");
    }
}

using System.CommandLine;
using System.Globalization;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands;

/// <summary><c>fill-mask MODEL TEXT</c>: the likeliest tokens at each <c>&lt;mask&gt;</c>.</summary>
internal static class FillMaskCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var top = new Option<int>("--top") { Description = "Tokens to show for each mask", HelpName = "N", DefaultValueFactory = _ => 5 };
        top.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && value is < 1 or > 1000)
            {
                result.AddError("--top must be from 1 to 1000.");
            }
        });
        var command = new Command("fill-mask", "Show the likeliest tokens at each <mask> of a text") { model };
        var input = new TextInput(command, "A text with one or more <mask>");
        command.Add(top);
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            using var filler = MaskFiller.Load(parsed.GetValue(model)!);
            foreach (var text in input.Read(parsed, cancellation))
            {
                var masks = filler.Fill(text, parsed.GetValue(top));
                context.WriteResult(masks, output => Write(output, masks));
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static void Write(TextWriter output, IReadOnlyList<FilledMask> masks)
    {
        foreach (var mask in masks)
        {
            foreach (var candidate in mask.Candidates)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{candidate.Probability,7:P1}  {mask.Before}[{candidate.Text.Trim()}]{mask.After}"));
            }

            output.WriteLine();
        }
    }
}

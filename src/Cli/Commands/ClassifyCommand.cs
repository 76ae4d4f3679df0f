using System.CommandLine;
using Linformer.Cli.Classification;
using Linformer.Model;
using Linformer.Model.Classification;

namespace Linformer.Cli.Commands;

/// <summary><c>classify MODEL [TEXT…]</c>: the class of each text, or its number.</summary>
internal static class ClassifyCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var (pairs, rule) = (PairsOption.Create(), LongOption.Create());
        var command = new Command("classify", "Tell the class of each text, and how probable it is; or the number, of a regression") { model };
        var input = new TextInput(command, keepsEmptyLines: true);
        command.Add(pairs);
        command.Add(rule);
        command.WithExamples(
            "classify linformer-data/models/spam-linformer --file mails.txt --long truncate",
            "classify linformer-data/models/qnli --pairs --output json < questions.tsv");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var folder = parsed.GetValue(model)!;
            using var classifier = ModelFolder.Load(folder, ModelKind.Classification, of => new ClassificationModel(of.Config, of.Classification!));
            var encoder = new TextEncoder(folder, classifier.Config, parsed.GetValue(rule));
            using var pooled = new PooledEncoder(classifier.Encoder, classifier.Head.Pooling);
            var texts = PairsOption.Split(input.Read(parsed, cancellation), parsed.GetValue(pairs));
            foreach (var (text, textPair, outputs) in encoder.Run(texts, (ids, mask) => classifier.Scores(pooled.Run(ids, mask)), cancellation))
                Write(context, classifier.Head, text, textPair, outputs);
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static void Write(CommandContext context, ClassificationHead head, string text, string? textPair, float[] outputs)
    {
        if (head.IsRegression)
        {
            context.WriteResult(new { text, textPair, value = outputs[0] }, output => output.WriteLine(FormattableString.Invariant($"{outputs[0]:0.0000}")));
            return;
        }

        var probabilities = Softmax(outputs);
        var best = Array.IndexOf(probabilities, probabilities.Max());
        context.WriteResult(
            new
            {
                text,
                textPair,
                label = head.Classes[best],
                probability = probabilities[best],
                probabilities = head.Classes.Select((name, i) => KeyValuePair.Create(name, probabilities[i])).ToDictionary(StringComparer.Ordinal),
            },
            output => output.WriteLine(FormattableString.Invariant($"{head.Classes[best]}\t{probabilities[best]:0.0000}")));
    }

    private static double[] Softmax(float[] scores)
    {
        var largest = scores.Max();
        var powers = Array.ConvertAll(scores, score => Math.Exp(score - largest));
        var sum = powers.Sum();
        return Array.ConvertAll(powers, power => power / sum);
    }
}

using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>corpora preview CORPUS</c>: some of a corpus's tokens as text.</summary>
internal static class CorpusPreviewCommand
{
    private const int StandardSequences = 8;
    private const int MostSequences = 64;
    private const int StandardLength = 128;
    private const int MostLength = 4096;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var corpus = new Argument<string>("CORPUS") { Description = "The corpus's id; see corpora" };
        var from = new Option<long>("--from") { Description = "Begin with this token, from 0 on", HelpName = "TOKEN" };
        from.Validators.Add(result =>
        {
            if (result.TryGet<long>(out var value) && value < 0)
                result.AddError("--from must be 0 or more.");
        });
        var sequences = CountOption.Create("--sequences", "How many sequences", StandardSequences, MostSequences);
        var length = CountOption.Create("--length", "Tokens in each", StandardLength, MostLength);
        var command = new Command("preview", "Show some of a corpus's tokens, decoded: what a model reads") { corpus, from, sequences, length };
        command.WithExamples("corpora preview 33cda763309f9e1c", "corpora preview 33cda763309f9e1c --from 1000000 --sequences 2 --output json");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new PreviewRequest
            {
                Corpus = session.Parsed.GetValue(corpus),
                FromToken = session.Parsed.GetValue(from),
                Sequences = session.Parsed.GetValue(sequences),
                SequenceLength = session.Parsed.GetValue(length),
            };
            var response = await session.Client.Corpora.PreviewAsync(request, session.Client.Call(cancellation));
            session.Context.WriteMessage(response, output => Write(output, response));
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(TextWriter output, PreviewResponse response)
    {
        foreach (var (i, sequence) in response.Sequences.Index())
        {
            if (i > 0)
                output.WriteLine();
            output.WriteLine($"tokens {sequence.FirstToken:#,0} to {sequence.FirstToken + sequence.Ids.Count - 1:#,0} of {response.Tokens:#,0}:");
            output.WriteLine(Printable(sequence.Text));
        }
    }

    // Text of a corpus must not steer the terminal of the one who reads it.
    private static string Printable(string text) =>
        string.Concat(text.Select(character => char.IsControl(character) && character is not ('\n' or '\t') ? '?' : character));
}

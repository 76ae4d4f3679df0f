using System.Globalization;
using System.Text;
using Linformer.Protocol;

namespace Linformer.Worker.Tests;

/// <summary>A job that trains in seconds.</summary>
internal static class SmallJob
{
    /// <summary>Makes the corpus's text and the job.</summary>
    /// <param name="root">The storage root.</param>
    /// <param name="training">Of the job file, beside what all tests share.</param>
    public static JobFile Create(string root, string training)
    {
        var text = new StringBuilder();
        for (var line = 0; line < 3000; line++)
        {
            text.Append(CultureInfo.InvariantCulture, $"line {line} of {line * 7919 % 97} and {line % 31}\n\n");
        }

        File.WriteAllText(Path.Combine(root, "text.txt"), text.ToString());
        return JobFileParser.Parse(
            $$"""
            name: tiny
            corpus: { files: ["text.txt"], tokenizer: { vocabularySize: 300 }, separator: "", heldOut: 0.05 }
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8, dropout: 0.1 }
            training: { globalBatch: 12, microBatch: 2, warmupSteps: 5, {{training}} }
            ranks: { min: 1, max: 2 }
            """,
            "tiny.yaml").OrThrow();
    }
}

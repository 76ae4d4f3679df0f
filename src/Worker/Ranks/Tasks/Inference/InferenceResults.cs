using System.Text.Encodings.Web;
using System.Text.Json;
using Linformer.Model.Classification;
using Linformer.Model.SafeTensors;

namespace Linformer.Worker.Ranks.Tasks.Inference;

/// <summary>What a model gives, as files: vectors as one tensor, classes as a line of JSON each.</summary>
internal static class InferenceResults
{
    /// <summary>The tensor's name.</summary>
    public const string TensorName = "embeddings";

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>The ending of the files' names.</summary>
    public static string Extension(ClassificationHead? head) => head is null ? "safetensors" : "jsonl";

    /// <summary>A file.</summary>
    /// <param name="head">The classes; null for vectors.</param>
    /// <param name="firstDocument">The number of the first document.</param>
    /// <param name="values">[documents, outputs].</param>
    /// <param name="outputs">Numbers for each document.</param>
    public static byte[] ToBytes(ClassificationHead? head, long firstDocument, float[] values, int outputs)
    {
        using var stream = new MemoryStream();
        if (head is null)
        {
            var bytes = new byte[values.Length * sizeof(float)];
            Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
            SafeTensorsWriter.Write(stream, [new SafeTensorEntry(TensorName, ElementType.F32, [values.Length / outputs, outputs], bytes.AsMemory())]);
        }
        else
        {
            for (var i = 0; i < values.Length / outputs; i++)
            {
                WriteLine(stream, head, firstDocument + i, values.AsSpan(i * outputs, outputs));
            }
        }

        return stream.ToArray();
    }

    private static void WriteLine(MemoryStream stream, ClassificationHead head, long document, ReadOnlySpan<float> values)
    {
        using (var writer = new Utf8JsonWriter(stream, Options))
        {
            writer.WriteStartObject();
            writer.WriteNumber("document", document);
            if (head.IsRegression)
            {
                Write(writer, "value", values[0]);
            }
            else
            {
                var scores = Softmax(values);
                var best = Array.IndexOf(scores, scores.Max());
                writer.WriteString("class", head.Classes[Math.Max(0, best)]);
                writer.WriteStartObject("scores");
                for (var i = 0; i < scores.Length; i++)
                {
                    Write(writer, head.Classes[i], (float)scores[i]);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
    }

    // JSON has no number for what a broken model may give.
    private static void Write(Utf8JsonWriter writer, string name, float value)
    {
        if (float.IsFinite(value))
        {
            writer.WriteNumber(name, value);
        }
        else
        {
            writer.WriteNull(name);
        }
    }

    private static double[] Softmax(ReadOnlySpan<float> values)
    {
        var scores = new double[values.Length];
        var (highest, sum) = (double.NegativeInfinity, 0.0);
        foreach (var value in values)
        {
            highest = Math.Max(highest, value);
        }

        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = Math.Exp(values[i] - highest);
            sum += scores[i];
        }

        return Array.ConvertAll(scores, score => score / sum);
    }
}

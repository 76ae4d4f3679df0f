using System.Globalization;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Decoding;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Jobs;
using static TorchSharp.torch;

namespace Linformer.Worker.TestRank;

/// <summary>What a job's model really takes: trained numbers, memory of the bare process, and of a micro-batch at its peak.</summary>
internal static class MemoryProbe
{
    /// <summary>Prints the three numbers in a line.</summary>
    /// <param name="job">The job file.</param>
    /// <param name="vocabularySize">Tokens of the tokenizer.</param>
    public static int Run(string job, int vocabularySize)
    {
        var file = JobFileParser.Parse(job, "job").OrThrow();
        // One token of few takes the libraries' own buffers, and nearly nothing else.
        using (var small = Model(file, vocabularySize: 8))
        {
            Step(small, batch: 1, length: 1, share: 1);
        }

        var bare = Memory("VmRSS");
        using var model = Model(file, vocabularySize);
        using var parameters = new FlatParameters(model, trailer: 0);
        Initialization.Apply(model, seed: 1);
        parameters.Gradients.zero_();
        model.train();
        var before = Memory("VmRSS");
        var microBatch = file.Training.MicroBatch ?? 1;
        Step(model, microBatch, file.Model.SequenceLength, file.Training.MaskProbability);
        var peak = Memory("VmHWM");
        var count = parameters.Slices.Sum(slice => slice.Length);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} {bare} {peak - before}"));
        return 0;
    }

    /// <summary>The model of the job's task, whose parameters hold nothing yet.</summary>
    private static nn.Module Model(JobFile job, int vocabularySize) => job.Task switch
    {
        JobTask.CausalLm => new CausalLanguageModel(JobMapping.DecoderConfig(job, vocabularySize)),
        JobTask.SequenceToSequence => new SequenceToSequenceModel(JobMapping.DecoderConfig(job, vocabularySize)),
        JobTask.Classification => new ClassificationModel(JobMapping.ModelConfig(job, vocabularySize), JobMapping.ClassificationHead(job, ["a", "b"])),
        _ => new MaskedLanguageModel(JobMapping.ModelConfig(job, vocabularySize)),
    };

    private static void Step(nn.Module model, int batch, int length, double share)
    {
        using var scope = NewDisposeScope();
        var ids = ones([batch, length], dtype: ScalarType.Int64);
        var tokens = batch * length;
        var logits = model switch
        {
            CausalLanguageModel causal => causal.LogitsAt(ids, null, Positions(tokens)),
            SequenceToSequenceModel pairs => pairs.LogitsAt(ids, Padded(batch, length), ids, null, Positions(tokens)),
            ClassificationModel classification => classification.call(ids, Padded(batch, length)),
            MaskedLanguageModel masked => masked.LogitsAt(ids, null, Positions(Math.Max(1, (int)(tokens * share)))),
            _ => throw new NotSupportedException(),
        };
        nn.functional.cross_entropy(logits, zeros([logits.shape[0]], dtype: ScalarType.Int64), reduction: nn.Reduction.Sum).backward();
    }

    private static Tensor Positions(int predicted) => arange(0, predicted, dtype: ScalarType.Int64);

    // All but the first sequence are shorter by a token.
    private static Tensor Padded(int batch, int length)
    {
        var mask = new long[batch * length];
        for (var i = 0; i < mask.Length; i++)
        {
            mask[i] = i < length || (i + 1) % length > 0 ? 1 : 0;
        }

        return tensor(mask, [batch, length]);
    }

    // In bytes; the system writes kilobytes.
    private static long Memory(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
    }
}

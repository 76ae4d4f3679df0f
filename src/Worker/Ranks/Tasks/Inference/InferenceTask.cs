using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Inference;

/// <summary>
/// Parts of the results in the place of micro-batches. So all that holds for the steps of a training holds for them: ranks share them
/// out, come and go, and a step that was committed is done. What is trained is a single number that nothing depends on.
/// </summary>
internal sealed class InferenceTask(InferenceModel model, DocumentSet documents, InferenceOutput output, int partDocuments, Action advanced) : ITrainingTask
{
    private readonly Nothing _nothing = new();

    /// <inheritdoc/>
    public nn.Module Model => _nothing;

    /// <summary>The parts.</summary>
    public long TrainingSequences { get; } = InferenceJobs.Parts(documents.Count, partDocuments);

    /// <inheritdoc/>
    public long HeldOutSequences => 0;

    /// <summary>Makes parts, unless they are there; what lies behind the last part is nothing.</summary>
    /// <param name="firstSample">The number of the first part.</param>
    /// <param name="count">How many.</param>
    /// <returns>No loss; documents for tokens.</returns>
    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        var done = 0L;
        for (var part = firstSample; part < Math.Min(firstSample + count, TrainingSequences); part++)
        {
            done += Make(part);
        }

        return done == 0 ? default : new MicroBatchLoss((_nothing.Value * 0).sum(), done, done);
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => default;

    /// <inheritdoc/>
    public void Dispose() => _nothing.Dispose();

    private int Make(long part)
    {
        var first = part * partDocuments;
        var count = (int)Math.Min(partDocuments, documents.Count - first);
        if (output.Done(part) is null)
        {
            var values = model.Apply(documents.Read(first, count), advanced);
            output.Write(part, first, count, InferenceResults.ToBytes(model.Head, first, values, model.Outputs));
        }

        return count;
    }

    private sealed class Nothing : nn.Module<Tensor, Tensor>
    {
        public Nothing()
            : base(nameof(Nothing))
        {
            Value = new Parameter(zeros([1]));
            register_parameter("value", Value);
        }

        public Parameter Value { get; }

        public override Tensor forward(Tensor input) => input;
    }
}

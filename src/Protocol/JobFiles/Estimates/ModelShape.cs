namespace Linformer.Protocol;

/// <summary>
/// Counts of a task's model with a micro-batch of B sequences of n tokens: its encoder, its decoder or both, one table of V embeddings
/// of width e, and its head, which computes P tokens or pooled sequences.
/// </summary>
internal sealed class ModelShape
{
    /// <summary>Classes taken for those of a job that has the corpus tell them.</summary>
    public const int AssumedClasses = 2;

    private readonly ModelSection _model;
    private readonly JobTask _task;
    private readonly IReadOnlyList<IStackShape> _stacks;
    private readonly double _predicted;
    private readonly double _vocabulary;
    private readonly int _outputs;

    /// <summary>Takes the shapes.</summary>
    /// <param name="job">The job.</param>
    /// <param name="vocabularySize">V.</param>
    /// <param name="attention">What attention to count, instead of the job's.</param>
    public ModelShape(JobFile job, int vocabularySize, AttentionKind? attention = null)
    {
        _model = attention is { } other ? job.Model with { Attention = other } : job.Model;
        (_task, _vocabulary) = (job.Task, vocabularySize);
        var batch = job.Training.MicroBatch ?? 1;
        _outputs = job.Corpus.Examples is { IsNumber: true } ? 1 : job.Corpus.Examples?.Classes?.Count ?? AssumedClasses;
        _stacks = _task switch
        {
            JobTask.CausalLm => [new DecoderShape(_model, batch, hasSource: false)],
            JobTask.SequenceToSequence => [new EncoderShape(_model, batch, isPadded: true), new DecoderShape(_model, batch, hasSource: true)],
            JobTask.Classification => [new EncoderShape(_model, batch, isPadded: true)],
            _ => [new EncoderShape(_model, batch, isPadded: false)],
        };
        var tokens = (double)batch * _model.SequenceLength;
        _predicted = _task switch
        {
            JobTask.MaskedLm => tokens * job.Training.MaskProbability,
            JobTask.Classification => batch,
            _ => tokens,
        };
    }

    private bool IsClassification => _task == JobTask.Classification;

    // Only a masked-LM has biases behind the product with the embeddings or a matrix of the head's own, and a dense layer and a norm before the former.
    private bool IsMasked => _task is not (JobTask.CausalLm or JobTask.SequenceToSequence or JobTask.Classification);

    private bool HasOwnMatrix => IsMasked && _model.Head == HeadKind.Linear;

    private bool HasTransform => IsMasked && !HasOwnMatrix;

    private double Embedding => _model.Embedding ?? _model.Hidden;

    /// <summary>All trained numbers. The matrix of a language model's head is that of the tokens' embeddings, unless it is linear.</summary>
    public Int128 Parameters
    {
        get
        {
            Int128 h = _model.Hidden, v = (Int128)_vocabulary, e = (Int128)Embedding;
            var head = IsClassification ? (h * h) + h + (_outputs * (h + 1))
                : HasOwnMatrix ? (v * h) + v
                : HasTransform ? (h * e) + e + (2 * e) + v : 0;
            return (v * e) + head + _stacks.Aggregate((Int128)0, (sum, stack) => sum + stack.Parameters);
        }
    }

    /// <summary>
    /// Multiply-adds of matrix products in a forward pass; everything else is small beside them. The head computes only what is to be
    /// predicted.
    /// </summary>
    public double MultiplyAdds
    {
        get
        {
            double h = _model.Hidden, e = Embedding;
            var head = IsClassification ? (h * h) + (_outputs * h) : HasOwnMatrix ? _vocabulary * h : (HasTransform ? h * e : 0) + (_vocabulary * e);
            return _stacks.Sum(stack => stack.MultiplyAdds) + (_predicted * head);
        }
    }

    /// <summary>Numbers that the layers' forward pass keeps until the end of the backward pass.</summary>
    public double KeptElements => _stacks.Sum(stack => stack.KeptElements);

    /// <summary>
    /// Numbers that are alive beside them at the worst moment of a micro-batch: what the forward pass keeps of embeddings and head, and
    /// what the backward pass adds at its own worst moment, the gradients of the logits, of a layer's widest results, or of
    /// the tokens' embeddings, which come once from the head, if that has them, and once from the input.
    /// </summary>
    public double OtherElements
    {
        get
        {
            var embeddings = _vocabulary * Embedding;
            var logits = IsClassification ? 0 : _predicted * _vocabulary;
            // In the head some of width e, or the hidden states alone, then logits and their logarithms.
            var inside = HasOwnMatrix ? _model.Hidden : (HasTransform ? 4 : 1) * Embedding;
            var head = IsClassification ? 0 : (_predicted * inside) + (2 * logits);
            // The gradient of a matrix of the head's own is done with as soon as it is there.
            var headGradients = (2 * logits) + (HasOwnMatrix ? _vocabulary * _model.Hidden : 0);
            var backward = Math.Max(headGradients, Math.Max(_stacks.Max(stack => stack.GradientElements), embeddings));
            return _stacks.Sum(stack => stack.EndElements) + head + backward + (IsClassification || HasOwnMatrix ? 0 : embeddings);
        }
    }
}

namespace Linformer.Protocol;

/// <summary>
/// Counts of a decoder with a micro-batch of B sequences of n tokens: T = B·n tokens of width h, C the columns that a token's scores have:
/// of segments two exactly and the summaries of those before, k of a map with a mask, n of full attention. With a source, each layer also
/// attends over k rows that it projects the B·n tokens of the source to, or over all of them.
/// </summary>
internal sealed class DecoderShape : IStackShape
{
    private const int ShortestSegment = 16;
    private const int LongestSegment = 128;

    private readonly ModelSection _model;
    private readonly double _batch;
    private readonly double _tokens;
    private readonly bool _hasSource;
    private readonly int _layers;
    private readonly int _segment;
    private readonly int _summaries;
    private readonly int _visible;

    /// <summary>Takes the shapes.</summary>
    /// <param name="model">The network.</param>
    /// <param name="microBatch">B.</param>
    /// <param name="hasSource">Whether it attends over what an encoder gives.</param>
    public DecoderShape(ModelSection model, int microBatch, bool hasSource)
    {
        (_model, _hasSource, _batch) = (model, hasSource, microBatch);
        _tokens = (double)microBatch * model.SequenceLength;
        _layers = hasSource ? model.DecoderLayers ?? model.Layers : model.Layers;
        var (n, k) = (model.SequenceLength, model.ProjectedLength);
        _segment = model.SegmentLength ?? (int)Math.Min(n, Math.Max(((long)n + k - 1) / k, Math.Clamp(n / 8, ShortestSegment, LongestSegment)));
        _summaries = (int)Math.Max(1, (long)k * _segment / n);
        // The segments before the one before: the last of a sequence has the most.
        var finished = ((n + _segment - 1) / _segment) - 2;
        _visible = Math.Clamp(finished, 0, k / _summaries);
    }

    private bool IsFull => _model.Attention == AttentionKind.Full;

    private bool HasSegments => !IsFull && _model.Causal != CausalKind.MaskMap;

    private bool HasOwnProjections => !IsFull && _model.Sharing == SharingKind.None;

    private double Hidden => _model.Hidden;

    private double Columns => IsFull ? _model.SequenceLength : HasSegments ? (_visible * _summaries) + (2 * _segment) : _model.ProjectedLength;

    private int SourceRows => IsFull ? _model.SequenceLength : _model.CrossProjectedLength ?? _model.ProjectedLength;

    /// <inheritdoc/>
    public Int128 Parameters
    {
        get
        {
            Int128 h = _model.Hidden, f = _model.FeedForward;
            var attention = 4 * ((h * h) + h);
            var norm = 2 * h;
            var layer = attention + norm + (2 * h * f) + f + h + norm + (_hasSource ? attention + norm : 0);
            var own = HasSegments ? (Int128)_summaries * _segment : (Int128)_model.ProjectedLength * _model.SequenceLength;
            var source = _hasSource ? (Int128)SourceRows * _model.SequenceLength : 0;
            return (_model.SequenceLength * h) + (_layers * layer) + norm + (Matrices * (own + source));
        }
    }

    /// <inheritdoc/>
    public double MultiplyAdds
    {
        get
        {
            var projecting = IsFull ? 0 : 2.0 * (HasSegments ? _summaries : _model.ProjectedLength) * Hidden;
            var layer = (4 * Hidden * Hidden) + (2 * Hidden * _model.FeedForward) + (2 * Columns * Hidden) + projecting;
            var source = !_hasSource ? 0 : (4 * Hidden * Hidden) + (2.0 * SourceRows * Hidden) + (IsFull ? 0 : 2.0 * SourceRows * Hidden);
            return _tokens * _layers * (layer + source);
        }
    }

    /// <inheritdoc/>
    public double KeptElements => _layers * (SubLayers + OwnAttention + (_hasSource ? SourceAttention : 0) + (2 * _tokens * _model.FeedForward));

    /// <summary>Embeddings, their sum with the places and its dropout, the last norm.</summary>
    public double EndElements => (3 + Dropped(_model.EmbeddingDropout)) * _tokens * Hidden;

    /// <summary>Those of a layer's widest results.</summary>
    public double GradientElements
    {
        get
        {
            var scores = Scores(Columns);
            var source = _hasSource ? Scores(SourceRows) : 0;
            return (2 * Math.Max(_tokens * _model.FeedForward, Math.Max(scores, source))) + (3 * _tokens * Hidden);
        }
    }

    private Int128 Matrices => IsFull ? 0 : _model.Sharing switch
    {
        SharingKind.Layerwise => 1,
        SharingKind.KeyValue => _layers,
        SharingKind.Headwise => 2 * _layers,
        _ => 2 * (Int128)_model.Heads * _layers,
    };

    // Of each the norm, the output with its dropout, and the sum.
    private double SubLayers => (_hasSource ? 3 : 2) * (3 + Dropped(null)) * _tokens * Hidden;

    // Queries as they come, scaled, and laid out by heads; what the heads give, and that laid out by tokens; keys, values. Scores come
    // with what is later, then without, then as weights.
    private double OwnAttention => (5 * _tokens * Hidden) + (2 * KeyElements) + ((3 + Dropped(_model.AttentionDropout)) * Scores(Columns));

    // Keys as they come, then what they are compared by. Of segments: the segments with an empty one before, those that are summarised,
    // their summaries, spread out to who sees them, and all columns together.
    private double KeyElements
    {
        get
        {
            var wide = _tokens * Hidden;
            if (IsFull)
                return 2 * wide;
            if (!HasSegments)
                return wide + Projected(_model.ProjectedLength, _model.SequenceLength, _batch);
            var seen = _visible == 0 ? 0 : wide + (wide * _visible * _summaries / _segment) + Projected(_summaries, _segment, _tokens / _segment);
            return (2 * wide) + (wide * Columns / _segment) + seen;
        }
    }

    // As of the decoder itself, with keys and values of the source's tokens; where these have different lengths, also with zeros for padding.
    private double SourceAttention
    {
        get
        {
            var wide = _tokens * Hidden;
            var keys = IsFull ? 2 * wide : (2 * wide) + Projected(SourceRows, _model.SequenceLength, _batch);
            return (5 * wide) + (2 * keys) + ((2 + (IsFull ? 1 : 0) + Dropped(_model.AttentionDropout)) * Scores(SourceRows));
        }
    }

    // Rows of a projection, as they come and laid out by heads. Projections of each head's own are spread over the batch, and what
    // they project is laid out by heads, too.
    private double Projected(double rows, double columns, double count) =>
        (2 * count * rows * Hidden) + (HasOwnProjections ? (count * columns * Hidden) + (count * _model.Heads * rows * columns) : 0);

    private double Scores(double columns) => _tokens * _model.Heads * columns;

    // Dropout keeps the scale of each element and the product.
    private double Dropped(double? own) => (own ?? _model.Dropout) > 0 ? 2 : 0;
}

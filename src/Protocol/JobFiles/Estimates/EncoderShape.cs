namespace Linformer.Protocol;

/// <summary>
/// Counts of an encoder with a micro-batch of B sequences of n tokens: T = B·n tokens of width h, embeddings of width e,
/// f the width of a feed-forward layer, q the width of the queries of all heads, c that of keys and of values, m the length that
/// attention looks at (k, or n if full). The table of the tokens' embeddings is not among them.
/// </summary>
internal sealed class EncoderShape : IStackShape
{
    private readonly double _tokens;
    private readonly double _batch;
    private readonly bool _isPadded;
    private readonly ModelSection _model;

    /// <summary>Takes the shapes.</summary>
    /// <param name="model">The network.</param>
    /// <param name="microBatch">B.</param>
    /// <param name="isPadded">Whether sequences have different lengths, so that what stands for padding is made zero or hidden.</param>
    public EncoderShape(ModelSection model, int microBatch, bool isPadded)
    {
        _model = model;
        _batch = microBatch;
        _tokens = (double)microBatch * model.SequenceLength;
        _isPadded = isPadded;
    }

    private bool IsLinear => _model.Attention == AttentionKind.Linear;

    private long HeadSize => _model.HeadSize ?? (_model.Hidden / _model.Heads);

    private long Queries => _model.Heads * HeadSize;

    private long Keys => (_model.KeyValueHeads ?? _model.Heads) * HeadSize;

    private long KeysAndValues => (_model.ShareKeyValue ? 1 : 2) * Keys;

    private long Embedding => _model.Embedding ?? _model.Hidden;

    private bool IsFactorised => Embedding != _model.Hidden;

    /// <inheritdoc/>
    public Int128 Parameters
    {
        get
        {
            Int128 h = _model.Hidden, e = Embedding;
            var attention = (h * (Queries + KeysAndValues)) + (Queries * h) + h + (_model.AttentionBias ? Queries + KeysAndValues : 0);
            var norm = 2 * h;
            var layers = Layers.Aggregate((Int128)0, (sum, layer) => sum + FeedForwardParameters(_model.FeedForwardOf(layer)))
                + (_model.Layers * (attention + (2 * norm)));
            var places = _model.Positions == PositionsKind.Learned ? _model.SequenceLength * e : 0;
            var outerNorm = !_model.OuterNorm ? 0 : 2 * (_model.Normalization == NormalizationKind.Pre ? h : e);
            var factor = IsFactorised ? (h * e) + h : 0;
            return places + factor + layers + outerNorm + Projections;
        }
    }

    /// <inheritdoc/>
    public double MultiplyAdds
    {
        get
        {
            double h = _model.Hidden, e = Embedding;
            var dense = (2 * h * Queries) + (h * KeysAndValues);
            var perToken = Layers.Sum(layer => dense + (InnerMatrices * h * _model.FeedForwardOf(layer)) + (2.0 * Attended(layer) * Queries) + Projecting(layer));
            return _tokens * (perToken + (IsFactorised ? h * e : 0));
        }
    }

    /// <summary>
    /// All of the layers' results, where they are not computed anew. Layers that are computed anew keep their inputs and the gradients to
    /// these; reversible ones the streams, and the gradients to these.
    /// </summary>
    public double KeptElements
    {
        get
        {
            var wide = _tokens * _model.Hidden;
            if (_model.Reversible)
                return (4 * wide) + Layers.Max(Layer);
            return _model.Checkpointing switch
            {
                CheckpointingKind.Layer => (2 * (_model.Layers + 1) * wide) + Layers.Max(Layer),
                CheckpointingKind.Head => Layers.Sum(layer => Layer(layer) - Maps(layer)) + (Layers.Max(Maps) / HeadsInTurn),
                _ => Layers.Sum(Layer),
            };
        }
    }

    /// <summary>Sum of embeddings with its dropout, their dense layer, the last norm.</summary>
    public double EndElements =>
        ((2 + Dropped(_model.EmbeddingDropout)) * _tokens * Embedding) + ((IsFactorised ? 2 : 1) * _tokens * _model.Hidden);

    /// <summary>Those of a layer's widest results.</summary>
    public double GradientElements =>
        Layers.Max(layer => 2 * Math.Max((_model.Gated ? 2 : 1) * _tokens * _model.FeedForwardOf(layer), Scores(layer) / HeadsInTurn)) + (3 * _tokens * _model.Hidden);

    private IEnumerable<int> Layers => Enumerable.Range(0, _model.Layers);

    // A share of the layer's: heads that are computed anew come one after the other.
    private int HeadsInTurn => _model.Checkpointing == CheckpointingKind.Head ? _model.Heads : 1;

    private int InnerMatrices => _model.Gated ? 3 : 2;

    private bool IsTrained => IsLinear && _model.TrainProjection && _model.Projection is (ProjectionKind.Learned or ProjectionKind.Convolution);

    private Int128 Projections => !IsTrained ? 0 : _model.Sharing switch
    {
        SharingKind.Layerwise => Projection(0),
        SharingKind.KeyValue => OverLayers(Projection),
        SharingKind.Headwise => 2 * OverLayers(Projection),
        _ => 2 * (_model.KeyValueHeads ?? _model.Heads) * OverLayers(Projection),
    };

    private Int128 OverLayers(Func<int, Int128> elements) => Layers.Aggregate((Int128)0, (sum, layer) => sum + elements(layer));

    private Int128 Projection(int layer)
    {
        Int128 k = _model.ProjectedLengthOf(layer);
        return _model.Projection == ProjectionKind.Convolution
            ? (HeadSize * HeadSize * (_model.SequenceLength / k)) + HeadSize
            : (k * _model.SequenceLength) + (_model.ProjectionBias ? k : 0);
    }

    private Int128 FeedForwardParameters(Int128 f)
    {
        Int128 h = _model.Hidden;
        return (InnerMatrices * h * f) + ((InnerMatrices - 1) * f) + h;
    }

    private double Attended(int layer) => IsLinear ? _model.ProjectedLengthOf(layer) : _model.SequenceLength;

    // Of one token, keys and values.
    private double Projecting(int layer) => !IsLinear ? 0 : _model.Projection switch
    {
        ProjectionKind.Convolution => 2.0 * Keys * HeadSize,
        ProjectionKind.MeanPool or ProjectionKind.MaxPool => 0,
        _ => 2 * Attended(layer) * Keys,
    };

    private double Scores(int layer) => _tokens * _model.Heads * Attended(layer);

    // Scores, weights and their dropout; of full attention with padding, also the scores with that hidden.
    private double Maps(int layer) => (2 + (_isPadded && !IsLinear ? 1 : 0) + Dropped(_model.AttentionDropout)) * Scores(layer);

    // Dropout keeps the scale of each element and the product.
    private double Dropped(double? own) => (own ?? _model.Dropout) > 0 ? 2 : 0;

    // The results of a layer: of width h two norms, the output, both sums, the feed-forward layer's output; of the queries' width these,
    // scaled and laid out by heads, what the heads give, that laid out by tokens; keys and values; dropout; the feed-forward layer inside;
    // scores and weights.
    private double Layer(int layer)
    {
        double h = _model.Hidden, f = _model.FeedForwardOf(layer);
        var wide = ((6 + (2 * Dropped(null))) * h) + (5 * Queries) + KeysAndValues;
        var inside = ((_model.Gated ? 4 : 2) + Dropped(_model.FeedForwardDropout)) * f;
        return (_tokens * (wide + inside)) + Maps(layer) + Laid(layer);
    }

    // By heads; if projected, also as they come from the projection. Projections of each head's own are spread over the batch.
    private double Laid(int layer)
    {
        if (!IsLinear)
            return 2 * _tokens * Keys;
        var projected = (4 * _batch * Attended(layer) * Keys) + (_isPadded ? _tokens * KeysAndValues : 0);
        return _model.Sharing == SharingKind.None && _model.Projection is (ProjectionKind.Learned or ProjectionKind.Fixed)
            ? projected + (2 * _tokens * Keys) + (2 * _batch * _model.Heads * Attended(layer) * _model.SequenceLength)
            : projected;
    }
}

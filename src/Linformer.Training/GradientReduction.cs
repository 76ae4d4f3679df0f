using System.Runtime.ExceptionServices;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>
/// Sums the gradients of a step over the ranks, bucket by bucket: each begins to travel when backward has completed it, while the
/// ones behind it are still computed. The buckets and their order are the same on all ranks and in all steps, whatever is completed
/// when, and so are the sums.
/// </summary>
internal sealed class GradientReduction : IDisposable
{
    private readonly WireFormat _wire;
    private readonly Func<long, long, double> _sumOfSquares;
    private readonly Bucket[] _buckets;
    private readonly Tensor? _trailer;
    private readonly Dictionary<Tensor, Bucket> _bucketOf = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Tensor> _ready = new(ReferenceEqualityComparer.Instance);
    private readonly List<IWork> _works = [];
    private IProcessGroup? _group;
    private bool _isLast;
    private int _launched;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Cuts the gradients into buckets.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="wire">As what gradients travel.</param>
    /// <param name="minimum">Fewest elements of a bucket.</param>
    /// <param name="sumOfSquares">Sums the squares of the gradients from an element on, so many of them.</param>
    public GradientReduction(FlatParameters parameters, WireFormat wire, long minimum, Func<long, long, double> sumOfSquares)
    {
        (_wire, _sumOfSquares) = (wire, sumOfSquares);
        var ends = parameters.BucketEnds(minimum);
        _buckets = new Bucket[ends.Count];
        var start = 0L;
        for (var i = 0; i < _buckets.Length; i++)
        {
            // The trailer counts, which rounding would falsify: then it travels alone.
            var isLast = i == _buckets.Length - 1;
            var travelling = isLast && wire == WireFormat.Full ? parameters.GradientsAndTrailer.numel() : ends[i];
            _buckets[i] = new Bucket(
                parameters.GradientsAndTrailer.narrow(0, start, travelling - start).DetachFromDisposeScope(), start, ends[i] - start);
            start = ends[i];
        }

        _trailer = wire == WireFormat.Full ? null : parameters.Trailer;
        for (var i = 0; i < parameters.Slices.Count; i++)
        {
            var bucket = _buckets[ends.TakeWhile(end => end <= parameters.Slices[i].Offset).Count()];
            bucket.Parameters++;
            _bucketOf.Add(parameters.Tensors[i], bucket);
        }
    }

    /// <summary>Begins a step.</summary>
    /// <param name="group">The ranks, all of which begin the same step.</param>
    public void Begin(IProcessGroup group)
    {
        _group = group;
        (_isLast, _launched, _failure) = (false, 0, null);
        _ready.Clear();
        _works.Clear();
        Array.ForEach(_buckets, bucket => bucket.Missing = bucket.Parameters);
    }

    /// <summary>From now on this rank's gradients are completed, not only added to: its last micro-batch begins.</summary>
    public void LastMicroBatch() => _isLast = true;

    /// <summary>
    /// Some gradients are complete in this micro-batch. Launches what can be launched; never throws, since an exception must not go
    /// through a backward pass: <see cref="Finish"/> throws it.
    /// </summary>
    /// <param name="parameters">Their parameters; others than the model's do not count.</param>
    public void Ready(IReadOnlyList<Tensor> parameters)
    {
        if (!_isLast || _failure is not null)
        {
            return;
        }

        foreach (var parameter in parameters)
        {
            if (_bucketOf.TryGetValue(parameter, out var bucket) && _ready.Add(parameter))
            {
                bucket.Missing--;
            }
        }

        try
        {
            // The last one waits for the trailer.
            while (_launched < _buckets.Length - 1 && _buckets[_launched].Missing == 0)
            {
                Launch();
            }
        }
#pragma warning disable CA1031 // It is thrown later.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>All gradients and the trailer are there: launches what is left, and waits for all.</summary>
    /// <param name="clock">Told of the waits.</param>
    /// <returns>The sum of the squares of all gradients.</returns>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public double Finish(StepClock clock)
    {
        clock.Enter(StepPhase.Reduce);
        _failure?.Throw();
        while (_launched < _buckets.Length)
        {
            Launch();
        }

        if (_trailer is not null)
        {
            _works.Add(_group!.AllReduce(_trailer));
        }

        var squares = 0.0;
        for (var i = 0; i < _buckets.Length; i++)
        {
            if (i > 0)
            {
                clock.Enter(StepPhase.Reduce);
            }

            // The training thread waits on purpose: nothing else of this step can be done before the sums are there.
            _works[i].Wait();
            if (i == _buckets.Length - 1 && _trailer is not null)
            {
                _works[^1].Wait();
            }

            // While the others travel.
            clock.Enter(StepPhase.Update);
            squares += _sumOfSquares(_buckets[i].From, _buckets[i].Length);
        }

        _works.Clear();
        return squares;
    }

    /// <summary>
    /// The step goes on no further on this rank. If collectives have begun that this rank will not complete, its group is of no more
    /// use; when this returns, none of them touches the gradients any more.
    /// </summary>
    /// <param name="reason">Why.</param>
    public void Abandon(Exception reason)
    {
        if (_works.Count == 0)
        {
            return;
        }

        _group!.Abort(reason);
        foreach (var work in _works)
        {
            try
            {
                work.Wait();
            }
            catch (ProcessGroupException)
            {
                // As was to be expected.
            }
        }

        _works.Clear();
    }

    public void Dispose() => Array.ForEach(_buckets, bucket => bucket.Travelling.Dispose());

    private void Launch() => _works.Add(_group!.AllReduce(_buckets[_launched++].Travelling, wire: _wire));

    /// <summary>A range of the gradients.</summary>
    /// <param name="travelling">What is summed over the ranks: the range, and behind the last one the trailer.</param>
    /// <param name="from">Its first element.</param>
    /// <param name="length">Its elements.</param>
    private sealed class Bucket(Tensor travelling, long from, long length)
    {
        public Tensor Travelling => travelling;

        public long From => from;

        public long Length => length;

        public int Parameters { get; set; }

        /// <summary>Parameters whose gradients are not complete yet.</summary>
        public int Missing { get; set; }
    }
}

using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training.Sharding;

/// <summary>Gives every rank what each rank has of its own part, chunk by chunk: while one travels, the next is made.</summary>
internal static class PartGather
{
    /// <summary>Runs to the end. When it throws, no collective of it runs any more, and the group is of no more use.</summary>
    /// <param name="group">The ranks, all of which call this.</param>
    /// <param name="like">A flat buffer, of whose length, type and device what travels is.</param>
    /// <param name="chunkElements">Elements that travel together, of all ranks.</param>
    /// <param name="fill">Writes a piece of this rank's own part into a tensor of the piece's length.</param>
    /// <param name="take">Takes a piece of a rank's part, this rank's own among them.</param>
    /// <param name="clock">Told of the waits; null for nobody.</param>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    public static void Run(
        IProcessGroup group, Tensor like, long chunkElements, Action<BufferRange, Tensor> fill, Action<int, BufferRange, Tensor> take, StepClock? clock = null)
    {
        using var scope = NewDisposeScope();
        var gather = new Gathering(group, like, chunkElements, take, clock);
        try
        {
            gather.Run(fill);
        }
        catch (Exception e)
        {
            gather.Abandon(e);
            throw;
        }
    }

    private sealed class Gathering
    {
        private readonly IProcessGroup _group;
        private readonly Action<int, BufferRange, Tensor> _take;
        private readonly StepClock? _clock;
        private readonly BufferRange[] _parts;
        private readonly Tensor[] _buffers;
        private readonly long _chunk;
        private (IWork Work, Tensor Whole, long Offset, long Count)? _travelling;

        public Gathering(IProcessGroup group, Tensor like, long chunkElements, Action<int, BufferRange, Tensor> take, StepClock? clock)
        {
            (_group, _take, _clock) = (group, take, clock);
            _parts = [.. Enumerable.Range(0, group.WorldSize).Select(part => Shard.Part(like.numel(), group.WorldSize, part))];
            _chunk = Math.Min(_parts.Max(part => part.Length), Math.Max(1, chunkElements / group.WorldSize));
            _buffers = [NewBuffer(), NewBuffer()];

            // Where a part is shorter than others, what travels behind it is nobody's.
            Tensor NewBuffer() => zeros([_chunk * group.WorldSize], dtype: like.dtype, device: like.device);
        }

        public void Run(Action<BufferRange, Tensor> fill)
        {
            var longest = _parts.Max(part => part.Length);
            var number = 0;
            for (var offset = 0L; offset < longest; offset += _chunk, number++)
            {
                var count = Math.Min(_chunk, longest - offset);
                var whole = _buffers[number % 2].narrow(0, 0, count * _group.WorldSize);
                var mine = whole.narrow(0, count * _group.Rank, count);
                var piece = PieceOf(_group.Rank, offset, count);
                if (piece.Length > 0)
                {
                    fill(piece, mine.narrow(0, 0, piece.Length));
                }

                var work = _group.AllGather(mine, whole);
                Finish();
                _travelling = (work, whole, offset, count);
            }

            Finish();
        }

        public void Abandon(Exception reason)
        {
            _group.Abort(reason);
            try
            {
                _travelling?.Work.Wait();
            }
            catch (ProcessGroupException)
            {
                // As was to be expected.
            }
        }

        private BufferRange PieceOf(int part, long offset, long count) =>
            new BufferRange(_parts[part].From + offset, count).Intersect(_parts[part]);

        private void Finish()
        {
            if (_travelling is not var (work, whole, offset, count))
            {
                return;
            }

            _clock?.Enter(StepPhase.Reduce);
            // The training thread waits on purpose: nothing else of this step can be done before the parts are there.
            work.Wait();
            _travelling = null;
            _clock?.Enter(StepPhase.Update);
            for (var part = 0; part < _parts.Length; part++)
            {
                var piece = PieceOf(part, offset, count);
                if (piece.Length > 0)
                {
                    _take(part, piece, whole.narrow(0, count * part, piece.Length));
                }
            }
        }
    }
}

using System.Numerics;
using System.Runtime.InteropServices;

namespace Linformer.Model.Kernels;

/// <summary>
/// Memory for what a forward pass keeps for its backward pass, used again and again: fresh pages cost as much as the
/// arithmetic that fills them.
/// </summary>
/// <remarks>From any thread: what a graph held that never went backward comes back through the finalizer.</remarks>
internal sealed unsafe class SavedPool : IDisposable
{
    // Large enough for huge pages, where the system has them.
    private const nuint HugePage = 1 << 21;
    private const nuint CacheLine = 64;

    private readonly Lock _lock = new();
    private readonly List<(long Size, nint Memory)> _free = []; // From the smallest to the largest.
    private long _rented;  // Bytes that were asked for and are in use.
    private long _most;    // The most that ever were.
    private bool _disposed;

    /// <summary>Bytes of memory, in use and waiting.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>Memory of at least so many bytes. It comes back when it is disposed.</summary>
    public Saved Rent(long bytes)
    {
        var wanted = Rounded(bytes);
        lock (_lock)
        {
            _rented += wanted;
            _most = Math.Max(_most, _rented);
            var place = _free.FindIndex(entry => entry.Size >= wanted);
            // Memory far too large would be missed by those who need it.
            if (place < 0 || _free[place].Size / 2 > wanted)
            {
                return new Saved(this, Allocated(wanted), wanted, wanted);
            }

            var (size, memory) = _free[place];
            _free.RemoveAt(place);
            return new Saved(this, memory, size, wanted);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            while (_free.Count > 0)
            {
                FreeLargest();
            }
        }
    }

    // To an eighth of the power of two below it, so that sizes that differ a little share their memory.
    private static long Rounded(long bytes)
    {
        var step = Math.Max((long)CacheLine, (long)(BitOperations.RoundUpToPowerOf2((ulong)bytes) / 16));
        return Math.Max(1, (bytes + step - 1) / step) * step;
    }

    // Batches of many shapes would else leave memory of many sizes behind: all of it is not to be more than was in use at once.
    private nint Allocated(long size)
    {
        while (_free.Count > 0 && HeldBytes + size > _most)
        {
            FreeLargest();
        }

        var memory = (nint)NativeMemory.AlignedAlloc((nuint)size, size < (long)HugePage ? CacheLine : HugePage);
        HeldBytes += size;
        return memory;
    }

    private void FreeLargest()
    {
        var (size, memory) = _free[^1];
        _free.RemoveAt(_free.Count - 1);
        NativeMemory.AlignedFree((void*)memory);
        HeldBytes -= size;
    }

    private void Return(nint memory, long size, long wanted)
    {
        lock (_lock)
        {
            _rented -= wanted;
            var place = _free.FindIndex(entry => entry.Size >= size);
            _free.Insert(place < 0 ? _free.Count : place, (size, memory));
            if (_disposed)
            {
                FreeLargest();
            }
        }
    }

    /// <summary>A piece of the pool's memory.</summary>
    public sealed class Saved : SafeHandle
    {
        private readonly SavedPool _pool;
        private readonly long _size;
        private readonly long _wanted;

        internal Saved(SavedPool pool, nint memory, long size, long wanted)
            : base(0, ownsHandle: true)
        {
            (_pool, _size, _wanted) = (pool, size, wanted);
            SetHandle(memory);
        }

        /// <inheritdoc/>
        public override bool IsInvalid => handle == 0;

        /// <summary>Its first byte.</summary>
        public void* Start => (void*)handle;

        /// <inheritdoc/>
        protected override bool ReleaseHandle()
        {
            _pool.Return(handle, _size, _wanted);
            return true;
        }
    }
}

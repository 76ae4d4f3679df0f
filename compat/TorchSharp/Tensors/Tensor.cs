using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A tensor of libtorch. Owns one reference to it, until it is disposed or finalized.</summary>
    public partial class Tensor : IDisposable
    {
        private static long _totalCount;
        private static long _peakCount;

        internal nint handle;

        internal Tensor(nint handle, bool register = true)
        {
            this.handle = handle;
            long count = Interlocked.Increment(ref _totalCount);
            _peakCount = Math.Max(count, _peakCount);
            if (register)
            {
                OwningDisposeScope = DisposeScopeManager.OfThread.Created(this);
            }
        }

        ~Tensor() => Dispose(false);

        public static long TotalCount => _totalCount;

        public static long PeakCount => _peakCount;

        public string? name { get; set; }

        public bool IsInvalid => handle == 0;

        /// <summary>Points to the at::Tensor.</summary>
        public IntPtr Handle => handle != 0
            ? handle
            : throw new InvalidOperationException("Tensor invalid -- empty handle.");

        internal DisposeScope? OwningDisposeScope { get; set; }

        public static Tensor UnsafeCreateTensor(IntPtr handle) => new(handle);

        public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

        public override int GetHashCode() => base.GetHashCode();

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter(this);
            return this;
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach(this);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveToOtherDisposeScope(other.OwningDisposeScope);

        public Tensor MoveToOtherDisposeScope(DisposeScope? other)
        {
            if (OwningDisposeScope is null && other is not null)
            {
                other.Attach(this);
            }
            else
            {
                OwningDisposeScope?.MoveToOther(other, this);
            }
            return this;
        }

        public IntPtr DecoupleFromNativeHandle()
        {
            nint decoupled = Handle;
            Interlocked.Decrement(ref _totalCount);
            handle = 0;
            return decoupled;
        }

        /// <summary>Another object for the same tensor.</summary>
        public Tensor alias() => new(NativeMethods.tb_tensor_alias(Handle));

        protected virtual void Dispose(bool disposing)
        {
            if (handle != 0)
            {
                DisposeScopeManager.OfThread.Disposing(this);
                OwningDisposeScope?.MarkAsDisposed(this);
                Interlocked.Decrement(ref _totalCount);
                NativeMethods.tb_tensor_free(handle);
                handle = 0;
            }
        }

        /// <summary>Takes the native tensor out of this object, which is empty then.</summary>
        internal nint MoveHandle()
        {
            nint moved = handle;
            handle = 0;
            return moved;
        }
    }
}

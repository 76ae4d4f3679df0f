using TorchSharp.Interop;
using TorchSharp.Utils;

namespace TorchSharp;

// The elements as memory.
public static partial class torch
{
    public partial class Tensor
    {
        public unsafe Span<byte> bytes
        {
            get
            {
                if (!is_contiguous())
                {
                    throw new InvalidOperationException("Bytes() called on non-contiguous tensor.");
                }
                long size = NumberOfElements * ElementSize;
                if (size > int.MaxValue)
                {
                    throw new ArgumentException("Span only supports up to int.MaxValue elements.");
                }
                return new Span<byte>((void*)DataPointer(), (int)size);
            }

            set
            {
                if (!is_contiguous())
                {
                    throw new InvalidOperationException("SetBytes() called on non-contiguous tensor.");
                }
                if (NumberOfElements * ElementSize != value.Length)
                {
                    throw new ArgumentException("Mismatched data sizes in SetBytes().");
                }
                value.CopyTo(new Span<byte>((void*)DataPointer(), value.Length));
                GC.KeepAlive(this);
            }
        }

        public TensorAccessor<T> data<T>() where T : unmanaged
        {
            CheckType(typeof(T));
            return new TensorAccessor<T>(this);
        }

        public T item<T>() where T : unmanaged
        {
            if (NumberOfElements != 1)
            {
                throw new ArgumentException("Number of elements in the tensor must be 1");
            }
            CheckType(typeof(T));
            unsafe
            {
                T value = *(T*)DataPointer();
                GC.KeepAlive(this);
                return value;
            }
        }

        public Storage<T> storage<T>() where T : unmanaged => Storage.Create<T>(this);

        internal unsafe nint DataPointer()
        {
            nint data;
            NativeMethods.Check(NativeMethods.tb_tensor_data(Handle, &data));
            return data;
        }

        private void CheckType(Type wanted)
        {
            Type? own = dtype switch
            {
                ScalarType.Byte => typeof(byte),
                ScalarType.Int8 => typeof(sbyte),
                ScalarType.Int16 => typeof(short),
                ScalarType.Int32 => typeof(int),
                ScalarType.Int64 => typeof(long),
                ScalarType.Bool => typeof(bool),
                ScalarType.BFloat16 => typeof(BFloat16),
                ScalarType.Float16 => typeof(Half),
                ScalarType.Float32 => typeof(float),
                ScalarType.Float64 => typeof(double),
                _ => null,
            };
            if (own is not null && own != wanted)
            {
                throw new ArgumentException($"{wanted.Name} is not compatible with {dtype}");
            }
        }
    }

    /// <summary>The memory of a tensor, which several tensors may share.</summary>
    public abstract class Storage
    {
        protected Tensor _tensor;
        protected IntPtr _tensor_data_ptr;

        protected Storage(Tensor tensor)
        {
            _tensor = tensor;
            data_ptr();
        }

        /// <summary>The first byte of the storage, whatever the tensor's offset.</summary>
        public unsafe IntPtr data_ptr()
        {
            if (_tensor_data_ptr == 0)
            {
                nint data;
                long size;
                NativeMethods.Check(NativeMethods.tb_tensor_storage(_tensor.Handle, &data, &size));
                _tensor_data_ptr = data;
            }
            return _tensor_data_ptr;
        }

        public unsafe ulong nbytes()
        {
            nint data;
            long size;
            NativeMethods.Check(NativeMethods.tb_tensor_storage(_tensor.Handle, &data, &size));
            GC.KeepAlive(_tensor);
            return (ulong)size;
        }

        public abstract int element_size();

        /// <summary>Converts a tensor of another type first, as to_type does.</summary>
        internal static Storage<T> Create<T>(Tensor tensor) where T : unmanaged
        {
            ScalarType type =
                typeof(T) == typeof(byte) ? ScalarType.Byte :
                typeof(T) == typeof(bool) ? ScalarType.Bool :
                typeof(T) == typeof(int) ? ScalarType.Int32 :
                typeof(T) == typeof(long) ? ScalarType.Int64 :
                typeof(T) == typeof(float) ? ScalarType.Float32 :
                typeof(T) == typeof(double) ? ScalarType.Float64 :
                throw new NotSupportedException();
            return new Storage<T>(tensor.to_type(type));
        }
    }

    /// <summary>The memory of a tensor with elements of a type.</summary>
    public sealed class Storage<T> : Storage, IDisposable where T : unmanaged
    {
        internal Storage(Tensor tensor)
            : base(tensor)
        {
        }

        public override int element_size() => System.Runtime.CompilerServices.Unsafe.SizeOf<T>();

        /// <summary>Lets go of the tensor, which lives on until its own object is gone.</summary>
        public void Dispose()
        {
            _tensor_data_ptr = 0;
            _tensor = null!;
        }
    }
}

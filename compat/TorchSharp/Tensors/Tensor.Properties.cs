using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public long Dimensions => Read(NativeMethods.tb_tensor_dim(Handle));

        public long ndim => Dimensions;

        public long NumberOfElements => Read(NativeMethods.tb_tensor_numel(Handle));

        public long ElementSize => Read(NativeMethods.tb_tensor_element_size(Handle));

        public ScalarType dtype => (ScalarType)Read(NativeMethods.tb_tensor_dtype(Handle));

        public DeviceType device_type => (DeviceType)Read(NativeMethods.tb_tensor_device_type(Handle));

        public int device_index => (int)Read(NativeMethods.tb_tensor_device_index(Handle));

        public Device device =>
            device_type == DeviceType.CPU ? new Device(DeviceType.CPU) : new Device(device_type, device_index);

        public bool is_cuda => device_type == DeviceType.CUDA;

        public bool is_meta => device_type == DeviceType.META;

        public bool is_sparse => Read(NativeMethods.tb_tensor_is_sparse(Handle)) != 0;

        public unsafe long[] shape
        {
            get
            {
                var sizes = new long[Dimensions];
                fixed (long* memory = sizes)
                {
                    NativeMethods.Check(NativeMethods.tb_tensor_sizes(Handle, memory));
                }
                GC.KeepAlive(this);
                return sizes;
            }
        }

        public long dim() => Dimensions;

        public long numel() => NumberOfElements;

        public long element_size() => ElementSize;

        public long storage_offset() => Read(NativeMethods.tb_tensor_storage_offset(Handle));

        public long[] size() => shape;

        public unsafe long size(int dim) => At(shape, dim);

        public unsafe long[] stride()
        {
            var strides = new long[Dimensions];
            fixed (long* memory = strides)
            {
                NativeMethods.Check(NativeMethods.tb_tensor_strides(Handle, memory));
            }
            GC.KeepAlive(this);
            return strides;
        }

        public long stride(int dim) => At(stride(), dim);

        public bool is_contiguous() => Read(NativeMethods.tb_tensor_is_contiguous(Handle)) != 0;

        public bool is_cpu() => device_type == DeviceType.CPU;

        public bool is_integral() => torch.is_integral(dtype);

        public bool is_floating_point() => torch.is_floating_point(dtype);

        public bool is_complex() => torch.is_complex(dtype);

        public override string ToString() => $"[{string.Join('x', shape)}], type = {dtype}, device = {device}";

        /// <summary>Keeps this object, and so the handle just used, alive until here.</summary>
        private long Read(long value)
        {
            GC.KeepAlive(this);
            return value;
        }

        private static long At(long[] values, int dim)
        {
            int index = dim < 0 ? dim + values.Length : dim;
            if (index < 0 || index >= values.Length)
            {
                throw new System.Runtime.InteropServices.ExternalException(
                    $"Dimension out of range (expected to be in range of [{-values.Length}, {values.Length - 1}], but got {dim})");
            }
            return values[index];
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace TorchSharp.Interop;

/// <summary>The exports of libtorchbridge. Those that return int return 0, or 1 and leave a message.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = "torchbridge";

    /// <summary>Throws what the last call on this thread reported.</summary>
    public static void Check(int status)
    {
        if (status != 0)
        {
            Throw();
        }
    }

    private static void Throw() =>
        throw new ExternalException(Marshal.PtrToStringUTF8(tb_last_error()));

    [DllImport(Library)]
    public static extern nint tb_last_error();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int tb_operator_find(string name, string overload, nint* found);

    [DllImport(Library)]
    public static extern int tb_operator_call(nint found, NativeValue* arguments, int argumentCount, NativeValue* results, int resultCount);

    [DllImport(Library)]
    public static extern void tb_tensor_array_free(nint* handles);

    [DllImport(Library)]
    public static extern void tb_tensor_free(nint tensor);

    [DllImport(Library)]
    public static extern nint tb_tensor_alias(nint tensor);

    // These cannot fail and take a few nanoseconds: no transition of the garbage collector's mode.
    [DllImport(Library), SuppressGCTransition]
    public static extern long tb_tensor_dim(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern long tb_tensor_numel(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern long tb_tensor_element_size(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern long tb_tensor_storage_offset(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_tensor_dtype(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_tensor_device_type(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_tensor_device_index(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_tensor_is_contiguous(nint tensor);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_tensor_is_sparse(nint tensor);

    [DllImport(Library)]
    public static extern int tb_tensor_is_leaf(nint tensor);

    [DllImport(Library)]
    public static extern int tb_tensor_requires_grad(nint tensor);

    [DllImport(Library)]
    public static extern int tb_tensor_sizes(nint tensor, long* sizes);

    [DllImport(Library)]
    public static extern int tb_tensor_strides(nint tensor, long* strides);

    [DllImport(Library)]
    public static extern int tb_tensor_data(nint tensor, nint* data);

    [DllImport(Library)]
    public static extern int tb_tensor_storage(nint tensor, nint* data, long* bytes);

    [DllImport(Library)]
    public static extern int tb_tensor_set_requires_grad(nint tensor, int value);

    [DllImport(Library)]
    public static extern int tb_tensor_retain_grad(nint tensor);

    [DllImport(Library)]
    public static extern int tb_tensor_grad(nint tensor, nint* grad);

    [DllImport(Library)]
    public static extern int tb_tensor_set_grad(nint tensor, nint grad);

    [DllImport(Library)]
    public static extern int tb_tensor_empty(long* sizes, int dims, int dtype, nint* tensor);

    [DllImport(Library)]
    public static extern int tb_threads();

    [DllImport(Library)]
    public static extern int tb_interop_threads();

    [DllImport(Library)]
    public static extern int tb_set_threads(int count);

    [DllImport(Library)]
    public static extern int tb_set_interop_threads(int count);

    [DllImport(Library)]
    public static extern int tb_generator_new(ulong seed, nint* generator);

    [DllImport(Library)]
    public static extern int tb_generator_default(nint* generator);

    [DllImport(Library)]
    public static extern void tb_generator_free(nint generator);

    [DllImport(Library)]
    public static extern int tb_generator_state(nint generator, nint* state);

    [DllImport(Library)]
    public static extern int tb_generator_set_state(nint generator, nint state);

    [DllImport(Library)]
    public static extern int tb_generator_seed(nint generator, ulong seed);

    [DllImport(Library)]
    public static extern int tb_generator_initial_seed(nint generator, ulong* seed);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_grad_enabled();

    [DllImport(Library), SuppressGCTransition]
    public static extern void tb_set_grad_enabled(int enabled);

    [DllImport(Library), SuppressGCTransition]
    public static extern int tb_inference_enabled();

    [DllImport(Library)]
    public static extern nint tb_inference_guard(int enabled);

    [DllImport(Library)]
    public static extern void tb_inference_guard_free(nint guard);

    [DllImport(Library)]
    public static extern int tb_backward(nint* roots, long rootCount, nint* grads, long gradCount, int retainGraph, int createGraph, nint* inputs, long inputCount);

    [DllImport(Library)]
    public static extern int tb_grad(nint* outputs, long outputCount, nint* inputs, long inputCount, nint* grads, long gradCount, int retainGraph, int createGraph, int allowUnused, nint* results);

    [DllImport(Library)]
    public static extern int tb_node_new(nint managed, delegate* unmanaged<nint, nint*, int, nint*, int, byte*, int, int> backward, delegate* unmanaged<nint, void> release, nint* inputs, long inputCount, int executable, nint* node);

    [DllImport(Library)]
    public static extern int tb_node_wrap(nint node, nint* inputs, long inputCount, nint* fixedInputs, long fixedCount, nint* dirty, long dirtyCount, nint* outputs, long outputCount, int executable, nint* results);

    [DllImport(Library)]
    public static extern int tb_node_save(nint node, nint* tensors, long count, int materialize);

    [DllImport(Library)]
    public static extern int tb_node_saved(nint node, nint* results);

    [DllImport(Library)]
    public static extern void tb_node_attached(nint node);

    [DllImport(Library)]
    public static extern void tb_node_free(nint node);
}

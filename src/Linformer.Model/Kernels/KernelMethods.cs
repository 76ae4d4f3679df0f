using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Linformer.Model.Kernels;

/// <summary>The blocks of native/kernels/linformer_kernels.h.</summary>
internal static unsafe partial class KernelMethods
{
    private const string Library = "linformer_kernels";

    [LibraryImport(Library, EntryPoint = "lf_scratch_create")]
    public static partial int ScratchCreate(out ScratchHandle scratch, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_scratch_destroy")]
    public static partial void ScratchDestroy(nint scratch);

    [LibraryImport(Library, EntryPoint = "lf_layer_create")]
    public static partial int LayerCreate(in LayerShape shape, ScratchHandle scratch, out LayerHandle layer, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_layer_destroy")]
    public static partial void LayerDestroy(nint layer);

    [LibraryImport(Library, EntryPoint = "lf_layer_saved_bytes")]
    public static partial long LayerSavedBytes(LayerHandle layer);

    [LibraryImport(Library, EntryPoint = "lf_layer_forward")]
    public static partial int LayerForward(
        LayerHandle layer, in LayerPointers values, LayerPointers* halves, nint x, nint keep, ulong seed, nint y, void* saved, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_layer_backward")]
    public static partial int LayerBackward(
        LayerHandle layer, in LayerPointers values, LayerPointers* halves, nint x, nint keep, ulong seed, void* saved, nint dy, nint dx,
        in LayerPointers gradients, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_attention_create")]
    public static partial int AttentionCreate(in AttentionShape shape, out AttentionHandle attention, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_attention_destroy")]
    public static partial void AttentionDestroy(nint attention);

    [LibraryImport(Library, EntryPoint = "lf_attention_saved_bytes")]
    public static partial long AttentionSavedBytes(AttentionHandle attention);

    [LibraryImport(Library, EntryPoint = "lf_attention_forward")]
    public static partial int AttentionForward(
        AttentionHandle attention, in AttentionPointers values, nint x, nint keep, ulong seed, nint y, void* saved, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_attention_backward")]
    public static partial int AttentionBackward(
        AttentionHandle attention, in AttentionPointers values, nint x, nint keep, ulong seed, void* saved, nint dy, nint dx,
        in AttentionPointers gradients, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_embedding_saved_bytes")]
    public static partial long EmbeddingSavedBytes(in EmbeddingShape shape);

    [LibraryImport(Library, EntryPoint = "lf_embedding_forward")]
    public static partial int EmbeddingForward(
        in EmbeddingShape shape, nint tokens, nint positions, nint normWeight, nint normBias, nint ids, ulong seed, nint y, void* saved, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_embedding_backward")]
    public static partial int EmbeddingBackward(
        in EmbeddingShape shape, nint tokens, nint positions, nint normWeight, nint normBias, nint ids, ulong seed, void* saved, nint dy,
        nint tokensGradient, nint positionsGradient, nint normWeightGradient, nint normBiasGradient, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_head_create")]
    public static partial int HeadCreate(in HeadShape shape, out HeadHandle head, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_head_destroy")]
    public static partial void HeadDestroy(nint head);

    [LibraryImport(Library, EntryPoint = "lf_head_saved_bytes")]
    public static partial long HeadSavedBytes(HeadHandle head, long predicted);

    [LibraryImport(Library, EntryPoint = "lf_head_forward")]
    public static partial int HeadForward(
        HeadHandle head, in HeadPointers values, HeadPointers* halves, nint hidden, nint positions, nint targets, long predicted,
        out double loss, void* saved, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_head_backward")]
    public static partial int HeadBackward(
        HeadHandle head, in HeadPointers values, HeadPointers* halves, nint hidden, nint positions, nint targets, long predicted,
        float scale, void* saved, nint hiddenGradient, in HeadPointers gradients, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_to_bf16")]
    public static partial int ToBFloat16(float* values, ushort* copy, long count, out KernelError error);
}

/// <summary>struct lf_layer_shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct LayerShape
{
    public long Batch;
    public long Length;
    public long Columns;
    public long Hidden;
    public long Heads;
    public long FeedForward;
    public long Projected;
    public int Sharing;
    public int NormFirst;
    public int BFloat16;
    public float Epsilon;
    public float Dropout;
}

/// <summary>struct lf_layer_parameters.</summary>
[InlineArray(18)]
internal struct LayerPointers
{
    private nint _first;
}

/// <summary>struct lf_attention_shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionShape
{
    public long Batch;
    public long Length;
    public long Columns;
    public long Hidden;
    public long Heads;
    public long Projected;
    public int Sharing;
    public int BFloat16;
    public float Dropout;
}

/// <summary>struct lf_attention_parameters.</summary>
[InlineArray(10)]
internal struct AttentionPointers
{
    private nint _first;
}

/// <summary>struct lf_embedding_shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EmbeddingShape
{
    public long Batch;
    public long Length;
    public long Vocabulary;
    public long Positions;
    public long Hidden;
    public float Epsilon;
    public float Dropout;
}

/// <summary>struct lf_head_shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct HeadShape
{
    public long Rows;
    public long Hidden;
    public long Vocabulary;
    public int NormFirst;
    public int BFloat16;
    public float Epsilon;
}

/// <summary>struct lf_head_parameters.</summary>
[InlineArray(8)]
internal struct HeadPointers
{
    private nint _first;
}

/// <summary>Owns scratch that layers of several shapes take turns with.</summary>
internal sealed class ScratchHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        KernelMethods.ScratchDestroy(handle);
        return true;
    }
}

/// <summary>Owns primitives for layers of one shape.</summary>
internal sealed class LayerHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        KernelMethods.LayerDestroy(handle);
        return true;
    }
}

/// <summary>Owns primitives and scratch for attention of one shape.</summary>
internal sealed class AttentionHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        KernelMethods.AttentionDestroy(handle);
        return true;
    }
}

/// <summary>Owns primitives and scratch for heads of one shape.</summary>
internal sealed class HeadHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        KernelMethods.HeadDestroy(handle);
        return true;
    }
}

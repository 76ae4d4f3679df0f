using Linformer.Model.Causal;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>What a decoder keeps of some sequences to go on token by token. Not for gradients.</summary>
public sealed class DecodingState : IDisposable
{
    private Tensor? _embeddings;

    internal DecodingState(IAttentionCache?[] caches, CrossMemory?[] memories)
    {
        (Caches, Memories) = (caches, memories);
        IsIncremental = Array.TrueForAll(caches, cache => cache is not null);
    }

    /// <summary>Tokens so far.</summary>
    public long Position { get; internal set; }

    internal IAttentionCache?[] Caches { get; }

    internal CrossMemory?[] Memories { get; }

    internal bool IsIncremental { get; }

    /// <summary>Makes sequence i what sequence <paramref name="rows"/>[i] was; there may be more or fewer than before.</summary>
    /// <param name="rows">[rows], int64, on the model's device.</param>
    public void Reorder(Tensor rows)
    {
        using var noGrad = no_grad();
        foreach (var cache in Caches)
        {
            cache?.Reorder(rows);
        }

        for (var i = 0; i < Memories.Length; i++)
        {
            Memories[i] = Memories[i]?.Reordered(rows);
        }

        if (_embeddings is { } before)
        {
            _embeddings = before.index_select(0, rows).DetachFromDisposeScope();
            before.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var cache in Caches)
        {
            cache?.Dispose();
        }

        foreach (var memory in Memories)
        {
            memory?.Dispose();
        }

        _embeddings?.Dispose();
    }

    // All embeddings so far, for attention that cannot go token by token.
    internal Tensor Remember(Tensor embeddings)
    {
        var before = _embeddings;
        _embeddings = (before is null ? embeddings.clone() : cat([before, embeddings], dim: 1)).DetachFromDisposeScope();
        before?.Dispose();
        return _embeddings;
    }
}

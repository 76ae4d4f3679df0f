using Linformer.Model.Causal;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>What a decoder keeps of some sequences to go on token by token. Not for gradients.</summary>
public sealed class DecodingState : IDisposable
{
    // Embeddings, or ids, of all tokens so far, for attention that cannot go token by token.
    private Tensor? _tokens;

    internal DecodingState(IAttentionCache?[] caches, CrossMemory?[] memories)
    {
        (Caches, Memories) = (caches, memories);
        IsIncremental = Array.TrueForAll(caches, cache => cache is not null);
    }

    internal DecodingState(Tensor source, Tensor? sourceMask)
        : this([], [])
    {
        using var noGrad = no_grad();
        (Source, SourceMask) = (source.clone().DetachFromDisposeScope(), sourceMask?.clone().DetachFromDisposeScope());
    }

    /// <summary>Tokens so far.</summary>
    public long Position { get; internal set; }

    internal IAttentionCache?[] Caches { get; }

    internal CrossMemory?[] Memories { get; }

    /// <summary>What an open decoder attends over, [sequences, source, hidden].</summary>
    internal Tensor? Source { get; private set; }

    /// <summary>[sequences, source], nonzero for a token; null when nothing is padded.</summary>
    internal Tensor? SourceMask { get; private set; }

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

        (_tokens, Source, SourceMask) = (Reordered(_tokens, rows), Reordered(Source, rows), Reordered(SourceMask, rows));
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

        _tokens?.Dispose();
        Source?.Dispose();
        SourceMask?.Dispose();
    }

    /// <summary>Takes in further tokens, [sequences, tokens] or [sequences, tokens, hidden].</summary>
    /// <returns>All so far, which belong to this state.</returns>
    internal Tensor Remember(Tensor tokens)
    {
        var before = _tokens;
        _tokens = (before is null ? tokens.clone() : cat([before, tokens], dim: 1)).DetachFromDisposeScope();
        before?.Dispose();
        return _tokens;
    }

    private static Tensor? Reordered(Tensor? before, Tensor rows)
    {
        using var _ = before;
        return before?.index_select(0, rows).DetachFromDisposeScope();
    }
}

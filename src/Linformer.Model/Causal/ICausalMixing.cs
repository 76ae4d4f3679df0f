using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>What a kind of causal attention makes of queries, keys and values.</summary>
internal interface ICausalMixing
{
    /// <summary>Attends.</summary>
    /// <param name="query">[batch, heads, length, d], scaled by 1/√d.</param>
    /// <param name="keys">[batch, heads, length, d]; zero where there is padding.</param>
    /// <param name="values">[batch, heads, length, d]; zero where there is padding.</param>
    /// <param name="mask">What queries must not see.</param>
    /// <param name="weights">Softmax and dropout over the last dimension.</param>
    /// <returns>[batch, heads, length, d].</returns>
    Tensor Mix(Tensor query, Tensor keys, Tensor values, CausalMask mask, Func<Tensor, Tensor> weights);

    /// <summary>An empty cache; null if this attention cannot go token by token.</summary>
    IAttentionCache? NewCache();
}

/// <summary>What one layer keeps of the tokens so far, to go on token by token. It owns its tensors; gradients do not pass through it.</summary>
internal interface IAttentionCache : IDisposable
{
    /// <summary>Takes in further tokens.</summary>
    /// <param name="keys">[batch, heads, tokens, d].</param>
    /// <param name="values">[batch, heads, tokens, d].</param>
    void Append(Tensor keys, Tensor values);

    /// <summary>All that the newest token sees, itself included.</summary>
    /// <returns>Keys and values, [batch, heads, columns, d] each, which belong to the cache or the current dispose scope.</returns>
    (Tensor Keys, Tensor Values) Visible();

    /// <summary>Makes row i what row <paramref name="rows"/>[i] was.</summary>
    /// <param name="rows">[rows], int64; as many as there will be.</param>
    void Reorder(Tensor rows);
}

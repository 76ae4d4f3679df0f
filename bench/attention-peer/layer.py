"""Multi-head self-attention in plain PyTorch: Linformer's (Wang et al. 2020, equation 7), or full."""

import torch
from torch import nn


class Attention(nn.Module):
    """Of [batch, n, hidden]. Linear: keys and values are projected from n rows to k by one matrix E = F for all heads."""

    def __init__(self, hidden, heads, length, projected, full):
        super().__init__()
        self.heads = heads
        self.scale = (hidden // heads) ** -0.5
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.projection = None if full else nn.Parameter(torch.randn(length, projected) * projected ** -0.5)

    def forward(self, x):
        b, n, hidden = x.shape
        queries, keys, values = self.query(x), self.key(x), self.value(x)  # [b, n, hidden]
        if self.projection is not None:
            keys = torch.einsum("bnd,nk->bkd", keys, self.projection[:n])
            values = torch.einsum("bnd,nk->bkd", values, self.projection[:n])

        queries, keys, values = (t.view(b, -1, self.heads, hidden // self.heads).transpose(1, 2) for t in (queries, keys, values))
        weights = torch.matmul(queries * self.scale, keys.transpose(-1, -2)).softmax(dim=-1)  # [b, heads, n, k or n]
        mixed = torch.matmul(weights, values)  # [b, heads, n, d]
        return self.output(mixed.transpose(1, 2).reshape(b, n, hidden))

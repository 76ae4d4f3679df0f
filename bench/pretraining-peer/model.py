"""A masked language model with Linformer's attention (Wang et al. 2020), in plain PyTorch.

Pre-norm, GELU, learned positions, RoBERTa's head tied to the token embeddings, and one projection E = F of [n, k] for all
heads and layers ("layerwise sharing"): the model of `linformer bench pretraining`, parameter for parameter.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Shape:
    vocabulary: int = 8192
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 1024
    length: int = 512
    projected: int = 128
    dropout: float = 0.0
    attention: str = "linear"


class LayerNorm(nn.LayerNorm):
    """In float32 under autocast too: this version of PyTorch refuses a bfloat16 input beside float32 weights."""

    def forward(self, x):
        return super().forward(x.float())


class Attention(nn.Module):
    def __init__(self, shape, projection):
        super().__init__()
        self.heads = shape.heads
        self.scale = (shape.hidden // shape.heads) ** -0.5
        self.projection = projection  # [n, k]; None: full attention
        self.query = nn.Linear(shape.hidden, shape.hidden)
        self.key = nn.Linear(shape.hidden, shape.hidden)
        self.value = nn.Linear(shape.hidden, shape.hidden)
        self.output = nn.Linear(shape.hidden, shape.hidden)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x):
        b, n, hidden = x.shape
        queries, keys, values = self.query(x), self.key(x), self.value(x)  # [b, n, hidden]
        if self.projection is not None:
            keys = torch.einsum("bnd,nk->bkd", keys, self.projection[:n])
            values = torch.einsum("bnd,nk->bkd", values, self.projection[:n])

        queries, keys, values = (t.view(b, -1, self.heads, hidden // self.heads).transpose(1, 2) for t in (queries, keys, values))
        weights = torch.matmul(queries * self.scale, keys.transpose(-1, -2)).softmax(dim=-1)  # [b, heads, n, k or n]
        mixed = torch.matmul(self.dropout(weights), values)  # [b, heads, n, d]
        return self.output(mixed.transpose(1, 2).reshape(b, n, hidden))


class Layer(nn.Module):
    def __init__(self, shape, projection):
        super().__init__()
        self.attention_norm = LayerNorm(shape.hidden)
        self.attention = Attention(shape, projection)
        self.feed_forward = nn.Sequential(
            LayerNorm(shape.hidden),
            nn.Linear(shape.hidden, shape.feed_forward),
            nn.GELU(),
            nn.Linear(shape.feed_forward, shape.hidden),
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(x))


class Encoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.positions = nn.Embedding(shape.length, shape.hidden)
        self.projection = nn.Parameter(torch.empty(shape.length, shape.projected)) if shape.attention == "linear" else None
        self.layers = nn.ModuleList(Layer(shape, self.projection) for _ in range(shape.layers))
        self.norm = LayerNorm(shape.hidden)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, ids):
        x = self.dropout(self.tokens(ids) + self.positions.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class MaskedLanguageModel(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.encoder = Encoder(shape)
        self.head = nn.Sequential(nn.Linear(shape.hidden, shape.hidden), nn.GELU(), LayerNorm(shape.hidden))
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))
        self.apply(self.initialize)
        if self.encoder.projection is not None:
            nn.init.normal_(self.encoder.projection, std=shape.projected ** -0.5)

    @staticmethod
    def initialize(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, ids, labels, positions=None):
        """The mean loss over the positions with a label; of all logits, or of those at `positions` only."""
        hidden, labels = self.encoder(ids).flatten(0, 1), labels.flatten()
        if positions is not None:
            hidden, labels = hidden[positions], labels[positions]
        logits = F.linear(self.head(hidden), self.encoder.tokens.weight, self.bias)
        return F.cross_entropy(logits.float(), labels, ignore_index=-100)

"""An independent Linformer in PyTorch, written from the paper head by head, to compare the product with.

usage: linformer_reference.py CONFIG.json WEIGHTS.safetensors BATCH.safetensors OUT.safetensors [CONFIG.json ...]

Everything is computed in float64. BATCH holds input_ids [batch, length], optional attention_mask [batch, length],
positions [predicted] (in the flattened batch) and targets [predicted]. OUT gets hidden_states, logits, the summed
loss, and the gradient of every parameter as grad.<name>.
"""
import json
import math
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

NUMPY_TYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64}
NAMES = {np.dtype(t): n for n, t in NUMPY_TYPES.items()}


def read_safetensors(path):
    with open(path, "rb") as f:
        raw = f.read()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    data = raw[8 + length :]
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], dtype=NUMPY_TYPES[entry["dtype"]])
        out[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return out


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        array = np.ascontiguousarray(tensor.detach().numpy())
        blob = array.tobytes()
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def affine(w, name, x):
    y = x @ w[name + ".weight"].T
    return y + w[name + ".bias"] if name + ".bias" in w else y


def norm(w, name, x, epsilon):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon) * w[name + ".weight"] + w[name + ".bias"]


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def activation(config, x):
    return torch.clamp(x, min=0) if config.get("hidden_act") == "relu" else gelu(x)


def k_of(config, layer):
    lengths = config.get("projected_lengths")
    return lengths[layer] if lengths else config["projected_length"]


def parameter(w, config, layer, name, part, ending=""):
    """A parameter of E (part key) or F (part value); all heads'."""
    sharing = config["sharing"]
    if sharing == "layerwise":
        return w[f"encoder.{name}{ending}"]
    if sharing == "key-value":
        return w[f"encoder.layers.{layer}.{name}{ending}"]
    return w[f"encoder.layers.{layer}.{name}_{part}{ending}"]


def pool(config, layer, x, keep):
    """Over the tokens of each window that are there; windows without any are left out."""
    window = config["max_position_embeddings"] // k_of(config, layer)
    rows = []
    for start in range(0, x.shape[0], window):
        there = [i for i in range(start, min(start + window, x.shape[0])) if keep[i] != 0]
        if there:
            rows.append(x[there].max(0).values if config["projection"] == "max-pool" else x[there].mean(0))
    return torch.stack(rows)


def convolve(w, config, layer, head, x, keep, part):
    n, k = config["max_position_embeddings"], k_of(config, layer)
    weight = parameter(w, config, layer, "convolution", part)
    bias = parameter(w, config, layer, "convolution", part, "_bias")
    if config["sharing"] == "none":
        d = weight.shape[1]
        weight, bias = weight[head], bias[head * d : (head + 1) * d]
    whole = torch.cat([x * keep[:, None], torch.zeros(n - x.shape[0], x.shape[1], dtype=x.dtype)])
    return F.conv1d(whole.T[None], weight, bias, stride=n // k)[0].T


def matrix(w, config, layer, head, x, keep, part):
    name = "fixed_projection" if config.get("projection") == "fixed" else "projection"
    e = parameter(w, config, layer, name, part)
    k = k_of(config, layer)
    if config["sharing"] == "none":
        e = e[head]
    y = torch.einsum("kn,nd->kd", e[:, : x.shape[0]], x * keep[:, None])
    if config.get("projection_bias"):
        bias = parameter(w, config, layer, name, part, "_bias")
        y = y + (bias[head * k : (head + 1) * k] if config["sharing"] == "none" else bias)[:, None]
    return y


def project(w, config, layer, head, x, keep, part):
    kind = config.get("projection", "learned")
    if kind in ("mean-pool", "max-pool"):
        return pool(config, layer, x, keep)
    return (convolve if kind == "convolution" else matrix)(w, config, layer, head, x, keep, part)


def attention(w, config, layer, x, keep):
    prefix = f"encoder.layers.{layer}.attention."
    q, k = affine(w, prefix + "query", x), affine(w, prefix + "key", x)
    v = k if config.get("share_key_value") else affine(w, prefix + "value", x)
    count = config["num_attention_heads"]
    d = config.get("head_dim", config["hidden_size"] // count)
    rows = []
    for b in range(x.shape[0]):
        heads = []
        for h in range(count):
            own = 0 if config.get("num_key_value_heads", count) == 1 else h
            cut = slice(own * d, (own + 1) * d)
            qh, kh, vh = q[b, :, h * d : (h + 1) * d], k[b, :, cut], v[b, :, cut]
            if config["attention"] == "full":
                # Padding is left out of the sums altogether.
                columns = keep[b].nonzero().flatten()
                kh, vh = kh[columns], vh[columns]
            else:
                kh = project(w, config, layer, own, kh, keep[b], "key")
                vh = project(w, config, layer, own, vh, keep[b], "value")
                columns = torch.arange(kh.shape[0])
            weights = torch.exp(qh @ kh.T / math.sqrt(d))
            if config.get("causal") == "mask-map":
                weights = weights * (columns[None, :] <= torch.arange(x.shape[1])[:, None])
            heads.append(weights / weights.sum(-1, keepdim=True) @ vh)
        rows.append(torch.cat(heads, dim=-1))
    return affine(w, prefix + "output", torch.stack(rows))


def positions(w, config, length):
    if config.get("positions") != "sinusoidal":
        return w["encoder.position.weight"][:length]
    width = config.get("embedding_size", config["hidden_size"])
    base = config.get("position_base", 10000.0)
    angles = [[p / base ** (2 * i / width) for i in range(width // 2)] for p in range(length)]
    return torch.tensor([[math.sin(a) for a in row] + [math.cos(a) for a in row] for row in angles], dtype=torch.float64)


def encode(w, config, ids, keep):
    epsilon = config["layer_norm_eps"]
    x = w["encoder.token.weight"][ids] + positions(w, config, ids.shape[1])
    pre = config["normalization"] == "pre"
    outer = config.get("outer_norm", True)
    if not pre and outer:
        x = norm(w, "encoder.norm", x, epsilon)
    if "embedding_size" in config:
        x = affine(w, "encoder.embedding_dense", x)
    streams = (x, x)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layers.{layer}."

        def feed_forward(y):
            z = affine(w, prefix + "feed_forward.input", y)
            if config.get("gated"):
                half = z.shape[-1] // 2
                z = activation(config, z[..., :half]) * z[..., half:]
            else:
                z = activation(config, z)
            return affine(w, prefix + "feed_forward.output", z)

        def normed(name, y):
            return norm(w, prefix + name, y, epsilon)

        kept = lambda y: affine(w, prefix + "residual", y) if prefix + "residual.weight" in w else y
        has_feed_forward = config.get("feed_forward", True)
        if config.get("reversible"):
            first = streams[0] + attention(w, config, layer, normed("attention_norm", streams[1]), keep)
            streams = (first, streams[1] + feed_forward(normed("feed_forward_norm", first)))
            x = streams[0] + streams[1]
        elif pre:
            x = x + attention(w, config, layer, normed("attention_norm", x), keep)
            x = kept(x) + feed_forward(normed("feed_forward_norm", x)) if has_feed_forward else x
        else:
            x = normed("attention_norm", x + attention(w, config, layer, x, keep))
            x = normed("feed_forward_norm", kept(x) + feed_forward(x)) if has_feed_forward else x
    return norm(w, "encoder.norm", x, epsilon) if pre and outer else x


def main(config_path, weights_path, batch_path, out_path):
    torch.set_num_threads(1)
    with open(config_path) as f:
        config = json.load(f)
    w = {n: t.double().requires_grad_() for n, t in read_safetensors(weights_path).items()}
    batch = read_safetensors(batch_path)
    ids = batch["input_ids"]
    keep = batch.get("attention_mask", torch.ones_like(ids)).double()
    hidden = encode(w, config, ids, keep)
    head = norm(w, "head_norm", gelu(affine(w, "head_dense", hidden)), config["layer_norm_eps"])
    logits = head @ w["encoder.token.weight"].T + w["head_bias"]
    flat = logits.reshape(-1, logits.shape[-1])[batch["positions"]]
    loss = F.cross_entropy(flat, batch["targets"], reduction="sum")
    loss.backward()
    out = {"hidden_states": hidden, "logits": logits, "loss": loss.reshape(1)}
    out.update({"grad." + n: t.grad if t.grad is not None else torch.zeros_like(t) for n, t in w.items()})
    write_safetensors(out_path, out)


if __name__ == "__main__":
    for first in range(1, len(sys.argv), 4):
        main(*sys.argv[first : first + 4])

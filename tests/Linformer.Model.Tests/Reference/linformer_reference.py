"""An independent Linformer in PyTorch, written from the paper head by head, to compare the product with.

usage: linformer_reference.py CONFIG.json WEIGHTS.safetensors BATCH.safetensors OUT.safetensors

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
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def norm(w, name, x, epsilon):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon) * w[name + ".weight"] + w[name + ".bias"]


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def projections(w, config, layer, head, length):
    """E_i and F_i of one head, cut to the length."""
    sharing = config["sharing"]
    prefix = f"encoder.layers.{layer}."
    if sharing == "layerwise":
        e = f = w["encoder.projection"]
    elif sharing == "key-value":
        e = f = w[prefix + "projection"]
    elif sharing == "headwise":
        e, f = w[prefix + "projection_key"], w[prefix + "projection_value"]
    else:
        e, f = w[prefix + "projection_key"][head], w[prefix + "projection_value"][head]
    return e[:, :length], f[:, :length]


def attention(w, config, layer, x, keep):
    prefix = f"encoder.layers.{layer}.attention."
    q, k, v = (affine(w, prefix + part, x) for part in ("query", "key", "value"))
    d = config["hidden_size"] // config["num_attention_heads"]
    rows = []
    for b in range(x.shape[0]):
        heads = []
        for h in range(config["num_attention_heads"]):
            cut = slice(h * d, (h + 1) * d)
            qh, kh, vh = q[b, :, cut], k[b, :, cut], v[b, :, cut]
            if config["attention"] == "full":
                # Padding is left out of the sums altogether.
                there = keep[b].nonzero().flatten()
                kh, vh = kh[there], vh[there]
            else:
                e, f = projections(w, config, layer, h, x.shape[1])
                kh = torch.einsum("kn,nd->kd", e, kh * keep[b][:, None])
                vh = torch.einsum("kn,nd->kd", f, vh * keep[b][:, None])
            weights = torch.exp(qh @ kh.T / math.sqrt(d))
            heads.append(weights / weights.sum(-1, keepdim=True) @ vh)
        rows.append(torch.cat(heads, dim=-1))
    return affine(w, prefix + "output", torch.stack(rows))


def encode(w, config, ids, keep):
    epsilon = config["layer_norm_eps"]
    x = w["encoder.token.weight"][ids] + w["encoder.position.weight"][: ids.shape[1]]
    pre = config["normalization"] == "pre"
    if not pre:
        x = norm(w, "encoder.norm", x, epsilon)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layers.{layer}."

        def feed_forward(y):
            return affine(w, prefix + "feed_forward.output", gelu(affine(w, prefix + "feed_forward.input", y)))

        if pre:
            x = x + attention(w, config, layer, norm(w, prefix + "attention_norm", x, epsilon), keep)
            x = x + feed_forward(norm(w, prefix + "feed_forward_norm", x, epsilon))
        else:
            x = norm(w, prefix + "attention_norm", x + attention(w, config, layer, x, keep), epsilon)
            x = norm(w, prefix + "feed_forward_norm", x + feed_forward(x), epsilon)
    return norm(w, "encoder.norm", x, epsilon) if pre else x


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
    main(*sys.argv[1:])

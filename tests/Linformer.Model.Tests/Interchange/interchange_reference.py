"""The models of other projects, written anew from what they compute, in their names, to compare the product with.

usage: interchange_reference.py make FOLDER | check FOLDER

make writes a folder for each case: case.json (format, options), the weights, and io.safetensors (input_ids, for decoders target_ids
and source_states, and logits, computed in float64). check computes exported.pt of each case again, and wants the same names and logits.
"""
import argparse
import collections
import json
import math
import os
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Reference"))
from linformer_reference import read_safetensors, write_safetensors  # noqa: E402

VOCABULARY, N = 31, 12


class Names:
    """A state dict that comes to be as it is asked for."""

    def __init__(self, seed):
        self.state = collections.OrderedDict()
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, name, *shape, same_as=None):
        if same_as is not None:
            self.state[name] = self.state[same_as]
        else:
            middle = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            self.state[name] = middle + 0.3 * torch.randn(*shape, generator=self.generator)
        return name


def dense(s, name, x, bias=True):
    y = x @ s[name + ".weight"].T
    return y + s[name + ".bias"] if bias else y


def norm(s, name, x, epsilon=1e-5):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + epsilon).sqrt() * s[name + ".weight"] + s[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v


def by_heads(x, heads):
    return [x[..., i * x.shape[-1] // heads : (i + 1) * x.shape[-1] // heads] for i in range(heads)]


# Hugging Face: BERT and RoBERTa


def make_hugging_face(kind, options, seed):
    make, c = Names(seed), options
    p, h = kind + ".", c["hidden_size"]
    for name, shape in {
        "word_embeddings.weight": (VOCABULARY, h),
        "position_embeddings.weight": (c["max_position_embeddings"], h),
        "token_type_embeddings.weight": (c["type_vocab_size"], h),
        "LayerNorm.weight": (h,),
        "LayerNorm.bias": (h,),
    }.items():
        make(p + "embeddings." + name, *shape)
    for layer in range(c["num_hidden_layers"]):
        for name, (o, i) in {
            "attention.self.query": (h, h), "attention.self.key": (h, h), "attention.self.value": (h, h), "attention.output.dense": (h, h),
            "intermediate.dense": (c["intermediate_size"], h), "output.dense": (h, c["intermediate_size"]),
        }.items():
            make(f"{p}encoder.layer.{layer}.{name}.weight", o, i)
            make(f"{p}encoder.layer.{layer}.{name}.bias", o)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            make(f"{p}encoder.layer.{layer}.{name}.weight", h)
            make(f"{p}encoder.layer.{layer}.{name}.bias", h)
    first, second, bias = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias") if kind == "roberta" else (
        "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
    make(first + ".weight", h, h)
    make(first + ".bias", h)
    make(second + ".weight", h)
    make(second + ".bias", h)
    make(bias, VOCABULARY)
    return make.state


def run_hugging_face(kind, s, c, ids):
    p, eps = kind + ".", c["layer_norm_eps"]
    offset = 2 if kind == "roberta" else 0
    e = p + "embeddings."
    x = s[e + "word_embeddings.weight"][ids] + s[e + "position_embeddings.weight"][offset : offset + ids.shape[1]] + s[e + "token_type_embeddings.weight"][0]
    x = norm(s, e + "LayerNorm", x, eps)
    for layer in range(c["num_hidden_layers"]):
        l = f"{p}encoder.layer.{layer}."
        q, k, v = (by_heads(dense(s, l + "attention.self." + part, x), c["num_attention_heads"]) for part in ("query", "key", "value"))
        mixed = torch.cat([attend(*head) for head in zip(q, k, v)], -1)
        x = norm(s, l + "attention.output.LayerNorm", x + dense(s, l + "attention.output.dense", mixed), eps)
        x = norm(s, l + "output.LayerNorm", x + dense(s, l + "output.dense", gelu(dense(s, l + "intermediate.dense", x))), eps)
    first, second, bias = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias") if kind == "roberta" else (
        "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
    return norm(s, second, gelu(dense(s, first, x)), eps) @ s[e + "word_embeddings.weight"].T + s[bias]


# lucidrains


def lucidrains_places(layer, o):
    return (f"linformer.net.blocks.{layer}.f.net", f"linformer.net.blocks.{layer}.g.net") if o.get("reversible") else (
        f"linformer.net.layers.{layer}.0", f"linformer.net.layers.{layer}.1")


def make_lucidrains(o, seed):
    make, dim = Names(seed), o["dim"]
    head = o.get("dim_head") or dim // o["heads"]
    kv = head if o.get("one_kv_head") else head * o["heads"]
    make("token_emb.weight", VOCABULARY, dim)
    make("pos_emb.weight", N, dim)
    for layer in range(o["depth"]):
        a, f = lucidrains_places(layer, o)
        make(a + ".fn.proj_k", N, o["k"])
        if not o.get("share_kv"):
            make(a + ".fn.proj_v", N, o["k"])
        make(a + ".fn.to_q.weight", head * o["heads"], dim)
        make(a + ".fn.to_k.weight", kv, dim)
        if not o.get("share_kv"):
            make(a + ".fn.to_v.weight", kv, dim)
        make(a + ".fn.to_out.weight", dim, head * o["heads"])
        make(a + ".fn.to_out.bias", dim)
        for place in (a, f):
            make(place + ".norm.weight", dim)
            make(place + ".norm.bias", dim)
        make(f + ".fn.w1.weight", 4 * dim, dim)
        make(f + ".fn.w1.bias", 4 * dim)
        make(f + ".fn.w2.weight", dim, 4 * dim)
        make(f + ".fn.w2.bias", dim)
    make("to_logits.weight", VOCABULARY, dim)
    make("to_logits.bias", VOCABULARY)
    return make.state


def run_lucidrains(s, o, ids):
    n, heads = ids.shape[1], o["heads"]
    x = s["token_emb.weight"][ids] + s["pos_emb.weight"][:n]

    def attention(place, x):
        x = norm(s, place + ".norm", x)
        a = place + ".fn."
        q, k = dense(s, a + "to_q", x, False), dense(s, a + "to_k", x, False)
        v = k if o.get("share_kv") else dense(s, a + "to_v", x, False)
        e, f = s[a + "proj_k"], s[a + ("proj_k" if o.get("share_kv") else "proj_v")]
        k, v = e[:n].T @ k, f[:n].T @ v
        own = 1 if o.get("one_kv_head") else heads
        k, v = by_heads(k, own), by_heads(v, own)
        mixed = [attend(q, k[i % own], v[i % own]) for i, q in enumerate(by_heads(q, heads))]
        return dense(s, a + "to_out", torch.cat(mixed, -1))

    def feed(place, x):
        return dense(s, place + ".fn.w2", gelu(dense(s, place + ".fn.w1", norm(s, place + ".norm", x))))

    first = second = x
    for layer in range(o["depth"]):
        a, f = lucidrains_places(layer, o)
        if o.get("reversible"):
            first = first + attention(a, second)
            second = second + feed(f, first)
        else:
            x = x + attention(a, x)
            x = x + feed(f, x)
    return dense(s, "to_logits", first + second if o.get("reversible") else x)


# tatp22


def tatp22_places(prefix, layer, o):
    step = 2 if o.get("include_ff", True) else 1
    return f"{prefix}{step * layer}.", f"{prefix}{step * layer + 1}."


def tatp22_halves(o):
    """The options of LinformerEncDec as those of its encoder and of its decoder."""
    halves = [{name[4:]: value for name, value in o.items() if name.startswith(part)} for part in ("enc_", "dec_")]
    for half in halves:
        half["activation"] = o.get("activation", "gelu")
    halves[0]["return_emb"] = True
    halves[1].update(decoder_mode=True, causal=True)
    return halves


def make_tatp22(o, seed):
    if "enc_channels" not in o:
        return make_tatp22_part(o, seed)
    parts = [make_tatp22_part(half, seed + i) for i, half in enumerate(tatp22_halves(o))]
    return collections.OrderedDict((part + name, t) for part, state in zip(("encoder.", "decoder."), parts) for name, t in state.items())


def make_tatp22_part(o, seed):
    make, c, heads, vocabulary = Names(seed), o["channels"], o["nhead"], o.get("num_tokens", VOCABULARY)
    size, emb = o.get("dim_d") or c // heads, o.get("emb_dim") or c
    prefix = "linformer.fn.seq." if emb != c else "linformer.seq."
    make("to_token_emb.weight", vocabulary, emb)
    make.state["pos_emb.inv_freq"] = 1.0 / (100000 ** (torch.arange(0, emb, 2).float() / emb))
    sharing, first, step = o["parameter_sharing"], {}, 2 if o.get("decoder_mode") else 1
    for layer in range(step * o["depth"]):
        a, f = tatp22_places(prefix, layer, o)
        wide = c if layer == 0 else o.get("ff_intermediate") or c
        behind = c if layer == step * o["depth"] - 1 else o.get("ff_intermediate") or c
        k = o["dim_k"] if sharing == "layerwise" else max(1, o["dim_k"] - layer // step * o.get("k_reduce_by_layer", 0))
        for head in range(heads):
            for kind in "EF":
                group = {"none": (layer, head, kind), "headwise": (layer, kind), "kv": layer, "layerwise": 0}[sharing]
                name = f"{a}fn.heads.{head}.{kind}"
                known = first.setdefault(group, name)
                if o.get("method") == "convolution":
                    shape = (size, size, N // k)
                else:
                    shape = (k, N)
                make(name + ".weight", *shape, same_as=None if known == name else known + ".weight")
                make(name + ".bias", shape[0], same_as=None if known == name else known + ".bias")
        for part in ("to_q", "to_k", "to_v"):
            for head in range(heads):
                make(f"{a}fn.{part}.{head}.weight", size, wide)
        if o.get("w_o_intermediate_dim"):
            w = o["w_o_intermediate_dim"]
            parts = {"w_o_1": (w, size * heads), "w_o_2": (wide, w)}
        else:
            parts = {"w_o": (wide, size * heads)}
        for name, shape in parts.items():
            make(f"{a}fn.{name}.weight", *shape)
            make(f"{a}fn.{name}.bias", shape[0])
        make(a + "norm.weight", wide)
        make(a + "norm.bias", wide)
        if o.get("include_ff", True):
            make(f + "fn.w_1.weight", o["dim_ff"], wide)
            make(f + "fn.w_1.bias", o["dim_ff"])
            make(f + "fn.w_2.weight", behind, o["dim_ff"])
            make(f + "fn.w_2.bias", behind)
            make(f + "norm.weight", behind)
            make(f + "norm.bias", behind)
            if wide != behind:
                make(f + "resample.weight", behind, wide)
                make(f + "resample.bias", behind)
    if emb != c:
        for name, shape in {"project_in": (c, emb), "project_out": (emb, c)}.items():
            make(f"linformer.{name}.weight", *shape)
            make(f"linformer.{name}.bias", shape[0])
    if not o.get("return_emb"):
        make("to_logits.weight", vocabulary, emb)
        make("to_logits.bias", vocabulary)
    return make.state


def run_tatp22(s, o, io):
    if "enc_channels" not in o:
        return run_tatp22_part(s, o, io["target_ids"], io["source_states"].double()) if o.get("decoder_mode") else run_tatp22_part(s, o, io["input_ids"])
    parts = [{name[len(part):]: t for name, t in s.items() if name.startswith(part)} for part in ("encoder.", "decoder.")]
    encoder, decoder = tatp22_halves(o)
    return run_tatp22_part(parts[1], decoder, io["target_ids"], run_tatp22_part(parts[0], encoder, io["input_ids"]))


def run_tatp22_part(s, o, ids, source=None):
    emb = s["to_token_emb.weight"].shape[1]
    prefix = "linformer.fn.seq." if "linformer.project_in.weight" in s else "linformer.seq."
    angles = torch.arange(ids.shape[1]).double()[:, None] * 100000.0 ** (-torch.arange(0, emb, 2).double() / emb)
    x = s["to_token_emb.weight"][ids] + torch.cat([angles.sin(), angles.cos()], -1)
    if prefix == "linformer.fn.seq.":
        x = dense(s, "linformer.project_in", x)

    def project(name, y):
        w, b = s[name + ".weight"], s[name + ".bias"]
        if o.get("method") == "convolution":
            return F.conv1d(y.transpose(1, 2), w, b, stride=w.shape[-1]).transpose(1, 2)
        return w @ y + b[:, None]

    # In a decoder every second attention is over the source, and that alone is masked.
    for layer in range(o["depth"] * (1 if source is None else 2)):
        a, f = tatp22_places(prefix, layer, o)
        over_source = source is not None and layer % 2 == 1
        y = source if over_source else x
        mixed = []
        for head in range(o["nhead"]):
            q, k, v = (dense(s, f"{a}fn.{part}.{head}", x if part == "to_q" else y, False) for part in ("to_q", "to_k", "to_v"))
            if not o.get("full_attention"):
                k, v = project(f"{a}fn.heads.{head}.E", k), project(f"{a}fn.heads.{head}.F", v)
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            if o.get("causal") and (source is None or over_source):
                scores = scores.masked_fill(torch.arange(scores.shape[-1]) > torch.arange(scores.shape[-2])[:, None], -math.inf)
            mixed.append(torch.softmax(scores, -1) @ v)
        out = torch.cat(mixed, -1)
        out = dense(s, a + "fn.w_o_2", dense(s, a + "fn.w_o_1", out)) if a + "fn.w_o_1.weight" in s else dense(s, a + "fn.w_o", out)
        x = norm(s, a + "norm", x + out)
        if f + "fn.w_1.weight" not in s or not o.get("include_ff", True):
            continue
        between = dense(s, f + "fn.w_1", x)
        between = between.clamp(min=0) if o.get("activation") == "relu" else gelu(between)
        kept = dense(s, f + "resample", x) if f + "resample.weight" in s else x
        x = norm(s, f + "norm", kept + dense(s, f + "fn.w_2", between))
    if prefix == "linformer.fn.seq.":
        x = dense(s, "linformer.project_out", x)
    return x if o.get("return_emb") else dense(s, "to_logits", x)


# fairseq


def make_fairseq(o, seed):
    make, h, p = Names(seed), o["encoder_embed_dim"], "encoder.sentence_encoder."
    make.state["encoder.version"] = torch.tensor(2)
    make.state[p + "version"] = torch.tensor([3.0])
    make(p + "embed_tokens.weight", VOCABULARY, h)
    make(p + "embed_positions.weight", N + 2, h)
    for name, there in (("layernorm_embedding", o.get("layernorm_embedding", True)), ("layer_norm", o.get("encoder_normalize_before"))):
        if there:
            make(f"{p}{name}.weight", h)
            make(f"{p}{name}.bias", h)
    k, shared = N // o["compressed"], o["shared_layer_kv_compressed"]
    if shared:
        make(p + "compress_layer.weight", k, N)
        make(p + "compress_layer.bias", k)
    for layer in range(o["encoder_layers"]):
        a = f"{p}layers.{layer}.self_attn."
        make.state[f"{p}layers.{layer}.version"] = torch.tensor(2)
        for name in ("compress_k",) if o["shared_kv_compressed"] else ("compress_k", "compress_v"):
            make(a + name + ".weight", k, N, same_as=p + "compress_layer.weight" if shared else None)
            if shared:
                make(a + name + ".bias", k, same_as=p + "compress_layer.bias")
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            make(f"{a}{name}.weight", h, h)
            make(f"{a}{name}.bias", h)
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            make(f"{p}layers.{layer}.{name}.weight", h)
            make(f"{p}layers.{layer}.{name}.bias", h)
        for name, shape in {"fc1": (o["encoder_ffn_embed_dim"], h), "fc2": (h, o["encoder_ffn_embed_dim"])}.items():
            make(f"{p}layers.{layer}.{name}.weight", *shape)
            make(f"{p}layers.{layer}.{name}.bias", shape[0])
    make("encoder.lm_head.weight", same_as=p + "embed_tokens.weight")
    make("encoder.lm_head.bias", VOCABULARY)
    make("encoder.lm_head.dense.weight", h, h)
    make("encoder.lm_head.dense.bias", h)
    make("encoder.lm_head.layer_norm.weight", h)
    make("encoder.lm_head.layer_norm.bias", h)
    return make.state


def run_fairseq(s, o, ids):
    p, n, heads = "encoder.sentence_encoder.", ids.shape[1], o["encoder_attention_heads"]
    x = s[p + "embed_tokens.weight"][ids] + s[p + "embed_positions.weight"][2 : 2 + n]
    before = o.get("encoder_normalize_before", False)
    first = lambda name, y: norm(s, name, y) if before else y
    behind = lambda name, y: y if before else norm(s, name, y)
    x = norm(s, p + "layernorm_embedding", x) if o.get("layernorm_embedding", True) else x
    for layer in range(o["encoder_layers"]):
        l = f"{p}layers.{layer}."
        a = l + "self_attn."
        e = s[a + "compress_k.weight"]
        f = e if o["shared_kv_compressed"] else s[a + "compress_v.weight"]
        # The length is compressed first, so the biases of keys and values come after.
        y = first(l + "self_attn_layer_norm", x)
        q, k, v = dense(s, a + "q_proj", y), dense(s, a + "k_proj", e[:, :n] @ y), dense(s, a + "v_proj", f[:, :n] @ y)
        mixed = torch.cat([attend(*head) for head in zip(by_heads(q, heads), by_heads(k, heads), by_heads(v, heads))], -1)
        x = behind(l + "self_attn_layer_norm", x + dense(s, a + "out_proj", mixed))
        x = behind(l + "final_layer_norm", x + dense(s, l + "fc2", gelu(dense(s, l + "fc1", first(l + "final_layer_norm", x)))))
    x = norm(s, p + "layer_norm", x) if before else x
    x = norm(s, "encoder.lm_head.layer_norm", gelu(dense(s, "encoder.lm_head.dense", x)))
    return x @ s["encoder.lm_head.weight"].T + s["encoder.lm_head.bias"]


def cases():
    hf = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20, "hidden_act": "gelu", "vocab_size": VOCABULARY,
          "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2}
    yield "roberta", "roberta", {**hf, "model_type": "roberta", "max_position_embeddings": N + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}, N
    yield "bert", "bert", {**hf, "model_type": "bert", "max_position_embeddings": N, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}, N - 3
    lucid = {"dim": 12, "depth": 2, "k": 5, "heads": 3}
    for name, more in {"plain": {}, "one-head": {"one_kv_head": True}, "shared": {"share_kv": True}, "both": {"one_kv_head": True, "share_kv": True},
                       "wide": {"dim_head": 6}, "reversible": {"reversible": True}}.items():
        yield "lucidrains-" + name, "lucidrains", {**lucid, **more}, N if name == "plain" else N - 4
    tat = {"channels": 12, "dim_k": 4, "dim_ff": 20, "nhead": 3, "depth": 2, "input_size": N}
    for sharing in ("none", "headwise", "kv", "layerwise"):
        yield "tatp22-" + sharing, "tatp22", {**tat, "parameter_sharing": sharing}, N
        yield "tatp22-convolution-" + sharing, "tatp22", {**tat, "parameter_sharing": sharing, "method": "convolution"}, N
    for name, more in {"full": {"full_attention": True}, "embedding": {"emb_dim": 8}, "outputs": {"w_o_intermediate_dim": 7}, "falling": {"k_reduce_by_layer": 2},
                       "relu": {"activation": "relu"}, "wide": {"dim_d": 6}, "causal": {"causal": True}, "causal-full": {"causal": True, "full_attention": True},
                       "causal-convolution": {"causal": True, "method": "convolution"}, "bare": {"include_ff": False, "dim_ff": 12}, "bare-causal-embedding": {"include_ff": False, "dim_ff": 12, "causal": True, "emb_dim": 8},
                       "inner": {"ff_intermediate": 9, "depth": 3}, "inner-wide-embedding": {"ff_intermediate": 18, "dim_d": 5, "emb_dim": 8, "w_o_intermediate_dim": 7}}.items():
        yield "tatp22-" + name, "tatp22", {**tat, "parameter_sharing": "headwise", **more}, N
    yield from tatp22_decoders({**tat, "decoder_mode": True})
    fair = {"encoder_embed_dim": 12, "encoder_layers": 2, "encoder_attention_heads": 3, "encoder_ffn_embed_dim": 20, "compressed": 3, "shared_kv_compressed": 0, "shared_layer_kv_compressed": 0}
    for name, more in {"headwise": {}, "kv": {"shared_kv_compressed": 1}, "layerwise": {"shared_layer_kv_compressed": 1}, "all": {"shared_kv_compressed": 1, "shared_layer_kv_compressed": 1},
                       "before": {"encoder_normalize_before": True, "layernorm_embedding": False}, "no-norm": {"layernorm_embedding": False}}.items():
        yield "fairseq-" + name, "fairseq", {**fair, **more}, N - 2


def tatp22_decoders(tat):
    for sharing in ("none", "headwise", "kv", "layerwise"):
        yield "tatp22-decoder-" + sharing, "tatp22", {**tat, "parameter_sharing": sharing, "causal": True}, N
        yield "tatp22-decoder-convolution-" + sharing, "tatp22", {**tat, "parameter_sharing": sharing, "causal": True, "method": "convolution"}, N
    for name, more in {"unmasked": {"k_reduce_by_layer": 2}, "full": {"full_attention": True, "causal": True}, "embedding": {"emb_dim": 8, "causal": True},
                       "outputs": {"w_o_intermediate_dim": 7, "dim_d": 6}, "bare": {"include_ff": False, "dim_ff": 12, "causal": True, "activation": "relu"}}.items():
        yield "tatp22-decoder-" + name, "tatp22", {**tat, "parameter_sharing": "headwise", **more}, N
    part = {"num_tokens": VOCABULARY, "channels": 12, "dim_k": 4, "dim_ff": 20, "nhead": 3, "depth": 2, "input_size": N, "parameter_sharing": "headwise"}
    other = {**part, "num_tokens": 29, "dim_k": 6, "nhead": 2, "depth": 1, "dim_ff": 17}
    for name, encoder, decoder in (
            ("plain", {}, {}), ("sharing", {"parameter_sharing": "none"}, {"parameter_sharing": "layerwise", "depth": 3}),
            ("convolution", {"parameter_sharing": "layerwise", "method": "convolution"}, {"parameter_sharing": "kv", "method": "convolution"}),
            ("full", {"full_attention": True}, {"dim_d": 5}), ("full-target", {"k_reduce_by_layer": 2}, {"full_attention": True}),
            ("embedding", {"channels": 9, "emb_dim": 12}, {"emb_dim": 8, "w_o_intermediate_dim": 7}),
            ("bare", {"include_ff": False, "dim_ff": 12}, {"include_ff": False, "dim_ff": 12}), ("inner", {"ff_intermediate": 9}, {}),
            ("small", {"channels": 6}, {"channels": 6})):
        options = {"enc_" + key: value for key, value in {**part, **encoder}.items()}
        options.update({"dec_" + key: value for key, value in {**other, **decoder}.items()})
        yield "tatp22-two-" + name, "tatp22", {**options, "activation": "relu" if name == "bare" else "gelu"}, N


def run(kind, state, options, io):
    state = {name: t.double() for name, t in state.items()}
    runs = {"lucidrains": run_lucidrains, "fairseq": run_fairseq}
    if kind == "tatp22":
        return run_tatp22(state, options, io)
    return runs[kind](state, options, io["input_ids"]) if kind in runs else run_hugging_face(kind, state, options, io["input_ids"])


def inputs(options, length, seed):
    generator = torch.Generator().manual_seed(seed)
    io = {"input_ids": torch.randint(0, VOCABULARY, (2, length), generator=generator)}
    if "enc_channels" in options or options.get("decoder_mode"):
        io["target_ids"] = torch.randint(0, options.get("dec_num_tokens", VOCABULARY), (2, length), generator=generator)
    if options.get("decoder_mode"):
        io["source_states"] = torch.randn(2, length, options["channels"], generator=generator)
    return io


def make(folder):
    makers = {"lucidrains": make_lucidrains, "tatp22": make_tatp22, "fairseq": make_fairseq}
    for seed, (name, kind, options, length) in enumerate(cases()):
        place = os.path.join(folder, name)
        os.makedirs(place)
        state = makers[kind](options, seed) if kind in makers else make_hugging_face(kind, options, seed)
        io = inputs(options, length, seed)
        write_safetensors(os.path.join(place, "io.safetensors"), {**io, "logits": run(kind, state, options, io)})
        is_folder = kind not in makers
        if kind == "bert":
            write_safetensors(os.path.join(place, "model.safetensors"), state)
        else:
            # fairseq keeps its arguments, usually.
            saved = {"model": state, "args": argparse.Namespace(**options)} if kind == "fairseq" and name != "fairseq-kv" else {"model": state} if kind == "fairseq" else state
            torch.save(saved, os.path.join(place, "pytorch_model.bin" if is_folder else "state.pt"))
        if is_folder:
            with open(os.path.join(place, "config.json"), "w") as f:
                json.dump(options, f)
        with open(os.path.join(place, "case.json"), "w") as f:
            json.dump({"format": kind, "file": "" if is_folder else "state.pt", "options": {} if is_folder or (kind == "fairseq" and name != "fairseq-kv") else options, "names": list(state)}, f)


def check(folder):
    for name, kind, options, _ in cases():
        place = os.path.join(folder, name)
        if not os.path.exists(os.path.join(place, "exported.pt")):
            continue
        with open(os.path.join(place, "case.json")) as f:
            names = set(json.load(f)["names"])
        with open(os.path.join(place, "exported.json")) as f:
            given = json.load(f)
        state = torch.load(os.path.join(place, "exported.pt"))
        # What becomes one matrix here, or is shared in more than one way, is written back in one of several forms.
        plain = name not in ("tatp22-outputs", "tatp22-inner-wide-embedding", "tatp22-decoder-outputs", "tatp22-two-embedding", "fairseq-all")
        if plain:
            assert set(state) == names, (name, set(state) ^ names)
        for key, value in given.items():
            if plain and key in options and not key.endswith("dropout_prob"):
                assert options[key] == value or (key == "dim_head" and options[key] is None), (name, key, value, options[key])
        io = read_safetensors(os.path.join(place, "io.safetensors"))
        logits = run(kind, state, options, io)
        assert (logits - io["logits"]).abs().max() < 1e-5 * max(1, io["logits"].abs().max()), name
        print(name)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])

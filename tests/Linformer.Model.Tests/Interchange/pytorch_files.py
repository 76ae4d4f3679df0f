"""Makes files with torch.save, and checks files with torch.load.

usage: pytorch_files.py make FOLDER | check FILE EXPECTED.json | legacy FILE | evil FOLDER
"""
import argparse
import builtins
import collections
import json
import os
import sys

import torch


def make(folder):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    storage = torch.arange(10, dtype=torch.int64)
    state = collections.OrderedDict(
        base=base,
        turned=base.t(),
        part=base[1:3, 2:5],
        strided=base[::2, ::3],
        parameter=torch.nn.Parameter(torch.tensor([1.5, -2.0])),
        scalar=torch.tensor(7.0),
        empty=torch.zeros(0, 3),
        half=torch.tensor([1.0, 0.5], dtype=torch.float16),
        brain=torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
        double=torch.tensor([1e-300], dtype=torch.float64),
        int8=torch.tensor([-1, 2], dtype=torch.int8),
        byte=torch.tensor([255], dtype=torch.uint8),
        short=torch.tensor([-300], dtype=torch.int16),
        int32=torch.tensor([1 << 30], dtype=torch.int32),
        flag=torch.tensor([True, False]),
        first=storage[:4],
        second=storage[4:],
    )
    torch.save(state, os.path.join(folder, "state.pt"))
    lists = {n: t.double().flatten().tolist() for n, t in state.items()}
    with open(os.path.join(folder, "state.json"), "w") as f:
        json.dump({n: {"shape": list(state[n].shape), "values": v} for n, v in lists.items()}, f)
    torch.save(
        {"model": torch.nn.Linear(2, 3).state_dict(), "args": argparse.Namespace(layers=2, rates=[0.5, None, True], name="ü", nested=("a", -1)), "step": 1 << 40},
        os.path.join(folder, "checkpoint.pt"),
    )
    wrapped = {"module.model." + n: t for n, t in torch.nn.Linear(2, 3).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": collections.OrderedDict(wrapped), "optimizer": {"state": {}, "groups": [{"rate": 0.1, "params": [0, 1]}]}}, os.path.join(folder, "wrapped.pt"))
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(2)}, os.path.join(folder, "unwrapped.pt"))
    torch.save(torch.randn(300, 300), os.path.join(folder, "large.pt"))
    torch.save({"a": torch.zeros(1).expand(1000, 1000)}, os.path.join(folder, "expanded.pt"))


class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def evil(folder):
    mark = os.path.join(folder, "was-run")
    torch.save({"a": Evil(os.system, "touch " + mark)}, os.path.join(folder, "system.pt"))
    torch.save({"a": Evil(builtins.eval, f"open({mark!r}, 'w')")}, os.path.join(folder, "eval.pt"))
    torch.save({"a": Evil(getattr, 1, "real")}, os.path.join(folder, "getattr.pt"))
    torch.save({"a": Evil(torch.load, mark)}, os.path.join(folder, "load.pt"))
    torch.save({"a": Evil(os.system, "touch " + mark)}, os.path.join(folder, "protocol4.pt"), pickle_protocol=4)
    torch.save(torch.nn.Linear(2, 2), os.path.join(folder, "module.pt"))


def check(path, expected):
    state = torch.load(path)
    assert isinstance(state, collections.OrderedDict), type(state)
    with open(expected) as f:
        wanted = json.load(f)
    assert list(state) == list(wanted), list(state)
    for name, want in wanted.items():
        assert str(state[name].dtype) == "torch." + want["dtype"], (name, state[name].dtype)
        assert list(state[name].shape) == want["shape"], (name, state[name].shape)
        assert state[name].double().flatten().tolist() == want["values"], name


if __name__ == "__main__":
    kind, *paths = sys.argv[1:]
    if kind == "legacy":
        torch.save({"a": torch.ones(2)}, paths[0], _use_new_zipfile_serialization=False)
    else:
        {"make": make, "check": check, "evil": evil}[kind](*paths)

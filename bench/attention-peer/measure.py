"""Measures an attention layer, forward and forward with backward: prints the seconds of each call and the memory that it took at most, as JSON.

measure.py --length 4096 --projected 128 --precision bf16 …; --help tells the rest.
Memory is what the process had at its peak, less what it had before the layer and its input were made; libraries are loaded and have
been used by then.
"""

import argparse
import json
import time

import torch

from layer import Attention


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("linear", "full"), default="linear")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="bf16: under autocast")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--projected", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each is measured, after one call that warms up")
    return parser.parse_args()


def memory(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def measured(call, seconds):
    call()
    times, begin = [], time.perf_counter()
    while len(times) < 2 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def forward(layer, x, precision):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        return layer(x)


def both(layer, x, precision, gradient):
    layer.zero_grad(set_to_none=True)
    x.grad = None
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        y = layer(x)
    y.backward(gradient.to(y.dtype))


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    small = Attention(args.hidden, args.heads, 64, 16, args.kind == "full")
    both(small, torch.randn(1, 64, args.hidden, requires_grad=True), args.precision, torch.ones(1, 64, args.hidden))
    before = memory("VmRSS")

    layer = Attention(args.hidden, args.heads, args.length, args.projected, args.kind == "full")
    x = torch.randn(args.batch, args.length, args.hidden)
    forget_peak()
    forward_seconds = measured(lambda: forward(layer, x, args.precision), args.seconds)
    forward_bytes = memory("VmHWM") - before

    x.requires_grad_()
    gradient = torch.randn(args.batch, args.length, args.hidden)
    forget_peak()
    both_seconds = measured(lambda: both(layer, x, args.precision, gradient), args.seconds)
    both_bytes = memory("VmHWM") - before
    print(json.dumps({"forwardSeconds": forward_seconds, "forwardBytes": forward_bytes, "bothSeconds": both_seconds, "bothBytes": both_bytes}))


if __name__ == "__main__":
    main()

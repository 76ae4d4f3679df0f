"""Trains the model with DistributedDataParallel over Gloo, one thread a rank, and prints its speed as a line of JSON.

train.py --ranks 2 --precision bf16 --head masked …; --help tells the rest.
Token ids are random, of the shape and the masking (15 %; 80/10/10) of real ones: what is measured is the step.
"""

import argparse
import json
import os
import resource
import socket
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel

from model import MaskedLanguageModel, Shape

MASK = 4  # the id of the mask; those below it are special too


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in ("vocabulary", "hidden", "layers", "heads", "feed_forward", "length", "projected"):
        parser.add_argument(f"--{field.replace('_', '-')}", type=int, default=getattr(Shape, field))
    parser.add_argument("--dropout", type=float, default=Shape.dropout)
    parser.add_argument("--attention", choices=("linear", "full"), default="linear")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--head", choices=("all", "masked"), default="masked", help="positions that the LM head computes")
    parser.add_argument("--batch", type=int, default=8, help="sequences a step of one rank")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=3, help="steps before the first window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--window-steps", type=int, default=5)
    return parser.parse_args()


def batches(args, rank):
    """Yields inputs, labels (-100 where nothing is predicted) and the flat positions that are."""
    generator = torch.Generator().manual_seed(rank)
    shape = (args.batch, args.length)
    while True:
        ids = torch.randint(MASK + 1, args.vocabulary, shape, generator=generator)
        predicted = torch.rand(shape, generator=generator) < 0.15
        labels = ids.masked_fill(~predicted, -100)
        kind = torch.rand(shape, generator=generator)
        inputs = ids.masked_fill(predicted & (kind < 0.8), MASK)
        other = torch.randint(MASK + 1, args.vocabulary, shape, generator=generator)
        inputs = torch.where(predicted & (kind >= 0.9), other, inputs)
        yield inputs, labels, predicted.flatten().nonzero().squeeze(1)


def decayed_apart(model, decay):
    """Weights decay, biases and norms do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def run(rank, args, port):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    fields = Shape.__dataclass_fields__
    model = MaskedLanguageModel(Shape(**{name: value for name, value in vars(args).items() if name in fields}))
    parameters = sum(p.numel() for p in model.parameters())
    if args.ranks > 1:
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=args.ranks)
        model = DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = torch.optim.AdamW(decayed_apart(model, 0.01), lr=5e-4)
    data = batches(args, rank)

    def step():
        ids, labels, positions = next(data)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = model(ids, labels, positions if args.head == "masked" else None)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    for _ in range(args.warmup):
        loss = step()
    speeds = []
    for _ in range(args.windows):
        if args.ranks > 1:
            dist.barrier()
        start = time.perf_counter()
        for _ in range(args.window_steps):
            loss = step()
        speeds.append(args.window_steps * args.ranks * args.batch * args.length / (time.perf_counter() - start))
    if rank == 0:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        result = {"tokensPerSecond": speeds, "parameters": parameters, "peakBytes": peak, "loss": loss.item(), "torch": torch.__version__}
        print(json.dumps(result), flush=True)


def main():
    args = arguments()
    if args.ranks == 1:
        run(0, args, 0)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(run, (args, port), nprocs=args.ranks)


if __name__ == "__main__":
    main()

"""A small model trained with DistributedDataParallel over Gloo, written for elastic restarts.

train.py FOLDER
Rank 0 writes a checkpoint every 20 steps, under a temporary name that it then renames; a restarted rank goes on from the
newest. Each rank adds a line per step to FOLDER/events.jsonl: step, rank, world size, process, time.
"""

import json
import os
import sys
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

CHECKPOINT_EVERY = 20
VOCABULARY, LENGTH, HIDDEN, GLOBAL_BATCH = 400, 32, 32, 24


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, HIDDEN)
        layer = torch.nn.TransformerEncoderLayer(HIDDEN, nhead=2, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, num_layers=2)
        self.head = torch.nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, ids):
        return self.head(self.encoder(self.embedding(ids)))


def main():
    folder = sys.argv[1]
    checkpoint = os.path.join(folder, "checkpoint.pt")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(1)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    step = 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location="cpu")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    model = DistributedDataParallel(model)
    events = os.open(os.path.join(folder, "events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        step += 1
        generator = torch.Generator().manual_seed(step * 1000 + rank)
        ids = torch.randint(VOCABULARY, (GLOBAL_BATCH // world, LENGTH), generator=generator)
        loss = torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % CHECKPOINT_EVERY == 0 and rank == 0:
            torch.save({"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
        line = {"step": step, "rank": rank, "world": world, "process": os.getpid(), "time": time.time()}
        os.write(events, (json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    main()

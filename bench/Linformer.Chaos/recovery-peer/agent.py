"""Runs train.py under PyTorch's elastic agent, as torchrun does; one agent per node.

agent.py ADDRESS PORT NODES RANKS_PER_NODE MONITOR_INTERVAL FOLDER
ADDRESS is this node's own; the first node (whose address ends in .1) holds the rendezvous.
torch.distributed.run itself does not start with Python 3.11 in this version of PyTorch.
"""

import os
import socket
import sys

from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def main():
    address, port, nodes, ranks, interval, folder = sys.argv[1:]
    # The agents tell each other their machines' names; here a machine's name is its address.
    socket.getfqdn = lambda *_: address
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=int(nodes),
        nproc_per_node=int(ranks),
        run_id="recovery",
        rdzv_backend="c10d",
        rdzv_endpoint=f"{address[:address.rindex('.')]}.1:{port}",
        rdzv_configs={"is_host": address.endswith(".1"), "last_call_timeout": 2},
        max_restarts=1000,
        monitor_interval=float(interval),
    )
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.py")
    elastic_launch(config, sys.executable)("-u", script, folder)


if __name__ == "__main__":
    main()

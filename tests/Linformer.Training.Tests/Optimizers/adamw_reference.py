"""AdamW of PyTorch, to compare the product's with.

usage: adamw_reference.py CASES.json OUT.json

A case has beta1, beta2, epsilon, weight_decay, learning_rates [updates], two parameters (values and shape) of which
only the first decays, and their gradients [updates][parameter]. OUT gets, for each case and update, the values of both
parameters and of their moments, all computed in float32.
"""
import json
import sys

import torch


def run(case):
    parameters = [
        torch.nn.Parameter(torch.tensor(values, dtype=torch.float32)) for values in case["parameters"]
    ]
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters[:1], "weight_decay": case["weight_decay"]},
            {"params": parameters[1:], "weight_decay": 0.0},
        ],
        betas=(case["beta1"], case["beta2"]),
        eps=case["epsilon"],
    )
    states = []
    for rate, gradients in zip(case["learning_rates"], case["gradients"]):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
        states.append(
            {
                "values": [p.tolist() for p in parameters],
                "first": [optimizer.state[p]["exp_avg"].tolist() for p in parameters],
                "second": [optimizer.state[p]["exp_avg_sq"].tolist() for p in parameters],
            }
        )
    return states


with open(sys.argv[1]) as file:
    cases = json.load(file)
with open(sys.argv[2], "w") as file:
    json.dump([run(case) for case in cases], file)

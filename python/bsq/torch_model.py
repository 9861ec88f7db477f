"""Evaluates a model file in PyTorch, by walking the program that the file holds."""

import torch
from torch.nn import functional

from . import load


def _activate(x, rule):
    c = x.clamp(rule.get("low", -float("inf")), rule.get("high", float("inf")))
    divisor, offset = rule.get("divisor", 0), rule.get("offset", 0)
    if not divisor:
        return c
    return rule.get("step", divisor) * torch.round((c - offset) / divisor) + offset


class StoredNetwork(torch.nn.Module):
    """The network of a file, in evaluation: normalized images (count, 3, height, width) to logits."""

    def __init__(self, file):
        super().__init__()
        stored = load(file)
        if stored.metadata["program"] is None:
            raise ValueError(f"{file}: does not say how its network computes")
        self.nodes = stored.metadata["program"]["nodes"]
        self.output = stored.metadata["program"]["output"]
        self.tensors = {name: torch.from_numpy(values) for name, values in stored.values.items()}

    def forward(self, images):
        values = [images]
        for index, node in enumerate(self.nodes[1:], start=1):
            inputs = [values[i] for i in node.get("inputs", [index - 1])]
            values.append(self._compute(node, inputs))
        return values[self.output]

    def _compute(self, node, inputs):
        kind, path, x = node["kind"], node["path"], inputs[0]
        own = {name: self.tensors.get(f"{path}.{name}") for name in ("weight", "bias", "running_mean", "running_var")}
        window = node.get("kernel"), node.get("stride", 1), node.get("padding", 0)
        if kind == "conv":
            return functional.conv2d(x, own["weight"], own["bias"], *window[1:], groups=node.get("groups", 1))
        if kind == "linear":
            return functional.linear(x, own["weight"], own["bias"])
        if kind == "norm" and "norm" not in node:
            return functional.batch_norm(x, own["running_mean"], own["running_var"], own["weight"], own["bias"],
                                         eps=node["epsilon"])
        if kind == "activation" and "rule" in node:
            return _activate(x, node["rule"])
        if kind == "pad_channels":
            return functional.pad(x, (0, 0, 0, 0, node["before"], node["after"]))
        simple = {
            "relu": lambda: x.relu(),
            "add": lambda: x + inputs[1],
            "concat": lambda: torch.cat(inputs, dim=1),
            "global_average_pool": lambda: x.mean((2, 3)),
            "average_pool": lambda: functional.avg_pool2d(x, *window),
            "max_pool": lambda: functional.max_pool2d(x, *window),
            "flatten": lambda: x.flatten(1),
            "dropout": lambda: x,
        }
        if kind not in simple:
            raise ValueError(f"{path}: cannot be computed from this file alone")
        return simple[kind]()

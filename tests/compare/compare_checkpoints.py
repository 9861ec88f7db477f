"""Compares two folders of runs: every tensor of every checkpoint, of either file version, bit for bit.

Prints a line a file and exits with 1 where anything differs."""

import pathlib
import sys

import h5py
import numpy


def text(attributes, name):
    return attributes.get(name, b"").decode()


def beside(tensor, slot):
    layer, last = tensor.rsplit(".", 1)
    return f"{layer}.{'bias' if last == 'bias' else ''}{slot}"


def momentum_name(name):
    """What version 1 called conv1.weight.positive is conv1.pweight."""
    tensor, _, last = name.rpartition(".")
    layer, _, noun = tensor.rpartition(".")
    if noun not in ("weight", "bias"):
        return name
    return {"positive": f"{layer}.p{noun}", "negative": f"{layer}.n{noun}", "scale": beside(tensor, "scale")}.get(last, name)


def tensors_of(group, prefix):
    """Name to array: datasets, and scales under the names that version 2 has for them."""
    found = {}
    for name, dataset in group.items():
        found[prefix + name] = dataset[()]
        if "scale" in dataset.attrs:
            found[prefix + beside(name, "scale")] = numpy.float64(dataset.attrs["scale"])
    return found


def contents(path):
    with h5py.File(path, "r") as file:
        found = tensors_of(file["network"], "network/")
        if "training" in file:
            training = file["training"]
            columns = eval(training["history"].attrs["columns"].decode())
            for index, column in enumerate(columns):
                if column not in ("Seconds", "Wait %", "Epoch"):
                    found[f"history/{column}"] = training["history"][:, index]
            for name, dataset in training["optimizer"].items():
                found[f"optimizer/{momentum_name(name)}"] = dataset[()]
            if "network" in training:
                found.update(tensors_of(training["network"], "training/network/"))
    return {name: numpy.float64(value) if numpy.ndim(value) == 0 else value for name, value in found.items()}


def main(old_folder, new_folder):
    differs = False
    for old in sorted(pathlib.Path(old_folder).rglob("*.h5")):
        if old.name.endswith(".prev.h5"):
            continue
        relative = old.relative_to(old_folder)
        a, b = contents(old), contents(pathlib.Path(new_folder) / relative)
        unlike = sorted(a.keys() ^ b.keys())
        unlike += [name for name in sorted(a.keys() & b.keys()) if not numpy.array_equal(a[name], b[name], equal_nan=True)]
        differs |= bool(unlike)
        print(f"{relative}: {len(a)} tensors, " + (f"{len(unlike)} differ: {', '.join(unlike[:8])}" if unlike else "all equal"))
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

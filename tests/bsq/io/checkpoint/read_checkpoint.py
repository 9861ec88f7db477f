"""Reads a checkpoint by checkpoints/README.md alone and prints it as JSON, every tensor as hexadecimal bytes."""

import json
import sys

import h5py
import numpy


def grid_of(dataset):
    """levels, lowest integer, step; and whether integers are packed as sign and magnitude."""
    if "format" in dataset.attrs:
        levels, low, step = (int(number) for number in dataset.attrs["format"])
        return levels, low, step, False
    top = 2 ** int(dataset.attrs["bits"]) - 1
    return max(top, 1), -top, 1, True


def packed_planes(dataset, rows):
    numel = int(numpy.prod(dataset.attrs["shape"]))
    return numpy.unpackbits(dataset[()].reshape(rows, (numel + 7) // 8), axis=1)[:, :numel]


def number_of(planes):
    number = numpy.zeros(planes.shape[1], numpy.int32)
    for plane in planes:
        number = 2 * number + plane
    return number


def integers(dataset):
    bits, shape = int(dataset.attrs["bits"]), dataset.attrs["shape"]
    _, low, step, has_sign = grid_of(dataset)
    if bits == 0:
        return numpy.zeros(shape, numpy.int32)
    if not has_sign:
        return (low + step * number_of(packed_planes(dataset, bits))).astype(numpy.int32).reshape(shape)
    planes = packed_planes(dataset, bits + 1)
    magnitude = number_of(planes[1:])
    return numpy.where(planes[0] == 1, -magnitude, magnitude).astype(numpy.int32).reshape(shape)


def along_channels(scale, values):
    return scale if numpy.ndim(scale) == 0 else scale.reshape(-1, *[1] * (values.ndim - 1))


def rounded(q, dataset):
    """The nearest point of the grid, half to even."""
    levels, low, step, _ = grid_of(dataset)
    high = low + step * ((2 ** int(dataset.attrs["bits"]) - 1) if "format" in dataset.attrs else -2 * low)
    places = (numpy.clip(q, q.dtype.type(low / levels), q.dtype.type(high / levels)) * levels - low) / step
    return (numpy.rint(places) * step + low) / levels


def scale_of(name, network):
    """A latent tensor's scale is a dataset of its own."""
    layer, _, noun = name.rpartition(".")
    return network[layer + (".biasscale" if noun == "bias" else ".scale")][()]


def weight(name, network):
    dataset = network[name]
    encoding = dataset.attrs.get("encoding", b"").decode()
    if encoding == "":
        return dataset[()]
    bits = int(dataset.attrs["bits"])
    if encoding == "latent":
        q, scale = dataset[()], scale_of(name, network)
        return q if bits == 0 else (rounded(q, dataset) * along_channels(scale, q)).astype(q.dtype)
    scale = dataset.attrs["scale"]
    if encoding == "codes":
        values = integers(dataset).astype(scale.dtype) / scale.dtype.type(grid_of(dataset)[0])
        return values * along_channels(scale, values)
    digits = 2.0 ** numpy.arange(bits - 1, -1, -1)
    planes = dataset[()].astype(numpy.float64)
    q = numpy.tensordot(digits, planes[0] - planes[1], axes=1) / (2**bits - 1)
    return (rounded(q, dataset) * scale).astype(scale.dtype)


def plain(value):
    """What JSON can hold, which knows no NaN."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if value == value else None


def describe(values):
    values = numpy.asarray(values)
    return {"dtype": str(values.dtype), "shape": list(values.shape), "hex": values.tobytes().hex()}


def main(path):
    with h5py.File(path, "r") as file:
        found = {"attributes": {name: plain(value) for name, value in file.attrs.items()}}
        network = file["network"]
        found["names"] = list(network)
        found["raw"] = {name: describe(network[name][()]) for name in network}
        found["weights"] = {name: describe(weight(name, network)) for name in network}
        if "training" in file:
            training = file["training"]
            found["training"] = {name: plain(value) for name, value in training.attrs.items()}
            for table in ("history", "sums"):
                found[table] = describe(training[table][()])
                found[table]["columns"] = json.loads(training[table].attrs["columns"])
            for group in ("optimizer", "method"):
                found[group] = {name: describe(item[()]) for name, item in training.get(group, {}).items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])

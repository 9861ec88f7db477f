"""Reads a checkpoint by checkpoints/README.md alone and prints it as JSON, every tensor as hexadecimal bytes."""

import json
import sys

import h5py
import numpy


def planes_of(bits, dataset):
    numel = int(numpy.prod(dataset.attrs["shape"]))
    rows = dataset[()].reshape(bits + 1, (numel + 7) // 8)
    return numpy.unpackbits(rows, axis=1)[:, :numel]


def integers(dataset):
    bits, shape = int(dataset.attrs["bits"]), dataset.attrs["shape"]
    if bits == 0:
        return numpy.zeros(shape, numpy.int32)
    planes = planes_of(bits, dataset)
    magnitude = numpy.zeros(planes.shape[1], numpy.int32)
    for plane in planes[1:]:
        magnitude = 2 * magnitude + plane
    return numpy.where(planes[0] == 1, -magnitude, magnitude).astype(numpy.int32).reshape(shape)


def weight(dataset):
    encoding = dataset.attrs.get("encoding", b"").decode()
    if encoding == "":
        return dataset[()]
    scale, bits = dataset.attrs["scale"], int(dataset.attrs["bits"])
    top = scale.dtype.type(2**bits - 1)
    if bits == 0:
        return numpy.zeros(dataset.attrs["shape"], scale.dtype)
    if encoding == "binary":
        return scale * (integers(dataset).astype(scale.dtype) / top)
    q = dataset[()]
    if encoding == "planes":
        digits = 2.0 ** numpy.arange(bits - 1, -1, -1)
        q = numpy.tensordot(digits, (q[0] - q[1]).astype(numpy.float64), axes=1) / (2**bits - 1)
    rounded = numpy.rint(numpy.minimum(numpy.abs(q), 1) * top) / top
    return (scale * numpy.sign(q) * rounded).astype(scale.dtype)


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
        found["weights"] = {name: describe(weight(network[name])) for name in network}
        if "training" in file:
            training = file["training"]
            found["training"] = {name: plain(value) for name, value in training.attrs.items()}
            for table in ("history", "sums"):
                found[table] = describe(training[table][()])
                found[table]["columns"] = json.loads(training[table].attrs["columns"])
            found["optimizer"] = {name: describe(item[()]) for name, item in training["optimizer"].items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])

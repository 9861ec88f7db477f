"""Writes training-bits.h5 and training-frozen.h5: interrupted runs of tests/bsq/nn/small_network.h as version 1 of the
file format had them. The other files here were written by programs of version 1."""

import h5py
import numpy

LAYERS = {"conv1.weight": (8, 3, 3, 3), "conv2.weight": (8, 8, 3, 3), "conv2.bias": (8,), "fc.weight": (3, 8),
          "fc.bias": (3,)}
FLOATS = {"bn1.weight": (8,), "bn1.bias": (8,), "shortcut.weight": (8, 8, 1, 1)}
BUFFERS = {"bn1.running_mean": (8,), "bn1.running_var": (8,), "relu1.range": ()}
random = numpy.random.default_rng(1)


def text(value):
    return numpy.bytes_(value)


def write_root(file, kind, scheme):
    attributes = {"format": "bsq", "kind": kind, "architecture": "small", "block_name": "BasicBlock",
                  "activation_range": "running", "dataset": "synthetic", "scheme": scheme, "configuration": "lr=0.1"}
    for name, value in attributes.items():
        file.attrs[name] = text(value)
    numbers = {"version": 1, "depth": 20, "classes": 3, "activation_bits": 4, "quantize_shortcut": 0, "epoch": 1}
    for name, value in numbers.items():
        file.attrs[name] = numpy.int64(value)
    for name in ("top1", "comp", "comp_stored"):
        file.attrs[name] = numpy.float64(1)


def write_floats(group):
    for name, shape in {**FLOATS, **BUFFERS}.items():
        group[name] = random.random(shape, numpy.float32)
    group["bn1.num_batches_tracked"] = numpy.int64(5)


def write_bits(group, name, encoding, bits, scale, values):
    group[name] = values
    attributes = group[name].attrs
    attributes["encoding"] = text(encoding)
    attributes["bits"] = numpy.uint8(bits)
    attributes["scale"] = numpy.float32(scale)
    attributes["shape"] = numpy.array(LAYERS[name], numpy.int64)


def write_planes(group):
    for name, shape in LAYERS.items():
        write_bits(group, name, "planes", 2, 0.5, 2 * random.random((2, 2, *shape), numpy.float32))
    write_floats(group)


def write_frozen(group):
    for name, shape in LAYERS.items():
        is_zero = name == "conv2.bias"
        values = numpy.zeros(shape, numpy.float32) if is_zero else 2 * random.random(shape, numpy.float32) - 1
        write_bits(group, name, "frozen", 0 if is_zero else 3, 0.25 if name.endswith("bias") else 0.5, values)
    write_floats(group)


def write_training(file, momenta):
    """Momenta are numbered in the order of their names."""
    training = file.create_group("training")
    for name in ("next_epoch", "next_step", "best_epoch"):
        training.attrs[name] = numpy.int64(1)
    for name in ("learning_rate", "best_top1"):
        training.attrs[name] = numpy.float64(0.1)
    for name, rows in (("history", 2), ("sums", 1)):
        training[name] = numpy.zeros((rows, 1))
        training[name].attrs["columns"] = text('["loss"]')
    optimizer = training.create_group("optimizer", track_order=True)
    for number, (name, shape) in enumerate(sorted(momenta.items())):
        optimizer[name] = numpy.full(shape, number, numpy.float32)
    return training


def main():
    with h5py.File("training-bits.h5", "w") as file:
        write_root(file, "bits", '{"conv1":[2,0],"conv2":[2,2],"fc":[2,2]}')
        write_planes(file.create_group("network", track_order=True))
        momenta = dict(FLOATS)
        for name, shape in LAYERS.items():
            momenta.update({name + ".positive": (2, *shape), name + ".negative": (2, *shape), name + ".scale": ()})
        write_planes(write_training(file, momenta).create_group("network", track_order=True))
    with h5py.File("training-frozen.h5", "w") as file:
        write_root(file, "frozen", '{"conv1":[3,0],"conv2":[3,0],"fc":[3,3]}')
        write_frozen(file.create_group("network", track_order=True))
        momenta = dict(FLOATS)
        for name, shape in LAYERS.items():
            if name != "conv2.bias":
                momenta.update({name: shape, name + ".scale": ()})
        write_training(file, momenta)


if __name__ == "__main__":
    main()

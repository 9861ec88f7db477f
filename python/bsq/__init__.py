"""Reads and runs the model files of bsq (best_bin.h5, final.h5), without libtorch.

load(file) gives numpy arrays and metadata, Model(file).predict(images) runs the integer engine, to_torch(file)
gives a state dict for PyTorch; bsq.torch_model evaluates one there.
"""

import json
from dataclasses import dataclass, field

import numpy

from ._engine import Engine as _Engine
from ._engine import Error, read

__all__ = ["Codes", "Error", "Model", "Stored", "load", "to_torch"]


@dataclass
class Codes:
    """Integers of a tensor: value = scale * integer / levels + offset, a scale for all or one a channel."""

    integers: numpy.ndarray
    scale: numpy.ndarray
    levels: int
    offset: numpy.ndarray
    bits: int


@dataclass
class Stored:
    """A model file: metadata by name, values of all tensors, and the codes of those that hold bits."""

    metadata: dict
    values: dict
    codes: dict = field(default_factory=dict)


def load(file):
    """Reads a model file. Raises Error for one that is not sound."""
    metadata, values, codes = read(str(file))
    for name in ("options", "scheme", "program"):
        metadata[name] = json.loads(metadata[name]) if metadata[name] else None
    return Stored(metadata, values, {name: Codes(*parts) for name, parts in codes.items()})


def to_torch(file):
    """A state dict of torch tensors: the values that the network computes with, and all ranges and statistics."""
    import torch

    return {name: torch.from_numpy(values) for name, values in load(file).values.items()}


class Model:
    """A model file, ready to run."""

    def __init__(self, file):
        self._engine = _Engine(str(file), "")
        self.metadata = self._engine.metadata
        self.image_shape = self._engine.image_shape

    @property
    def class_names(self):
        """The classes in the order of the logits; empty where the file has no names."""
        return self.metadata["class_names"]

    def predict(self, images, threads=1):
        """Logits (count, classes) of images (count, 3, height, width).

        uint8 images are normalized as the file says; floating-point ones are normalized already.
        """
        images = numpy.asarray(images)
        if images.dtype == numpy.uint8:
            return self._engine.run_bytes(images, threads)
        if not numpy.issubdtype(images.dtype, numpy.floating):
            raise ValueError(f"images of type {images.dtype}; expected uint8 or floating point")
        return self._engine.run_floats(images, threads)

    def classify(self, images, threads=1):
        """The index of each image's class."""
        return self.predict(images, threads).argmax(axis=1)

#!/usr/bin/env python3
"""Makes the network that compare_engines.py sets beside the engine: quantize_by_onnxruntime.py MODEL.onnx OUT.onnx DATA.

MODEL.onnx: `bsq export` of a float model. Its rounded activations become plain ones and its biases parts of their
convolutions; then onnxruntime quantizes it as it does a float network: uint8 activations, int8 weights with a scale a
channel, ranges of 256 training images of the CIFAR-10 folder DATA. It needs onnx and onnxruntime.
"""

import sys

import numpy
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

IMAGES, BATCH = 256, 32


def images_of(folder):
    records = numpy.fromfile(f"{folder}/data_batch_1.bin", numpy.uint8, IMAGES * 3073).reshape(-1, 3073)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 255
    mean = numpy.array([0.4914, 0.4822, 0.4465], numpy.float32).reshape(1, 3, 1, 1)
    deviation = numpy.array([0.2023, 0.1994, 0.2010], numpy.float32).reshape(1, 3, 1, 1)
    return (pixels - mean) / deviation


class Images(CalibrationDataReader):
    def __init__(self, images):
        self.batches = iter(images.reshape(-1, BATCH, 3, 32, 32))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"images": batch}


def plain(model):
    """Quantize, clip and dequantize become a clip; a subtraction behind a convolution becomes its bias."""
    graph = model.graph
    numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    nodes = []
    for node in graph.node:
        source = made_by.get(node.input[0])
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type == "Clip" and source.op_type == "QuantizeLinear":
            continue
        if node.op_type == "DequantizeLinear" and source is not None:
            rounded = source if source.op_type == "QuantizeLinear" else made_by[source.input[0]]
            highest = numbers[source.input[2]] if source.op_type == "Clip" else 255
            limit = numpy.array(highest * numbers[node.input[1]], numpy.float32)
            graph.initializer.extend(
                [
                    numpy_helper.from_array(numpy.array(0, numpy.float32), node.output[0] + ".low"),
                    numpy_helper.from_array(limit, node.output[0] + ".high"),
                ]
            )
            inputs = [rounded.input[0], node.output[0] + ".low", node.output[0] + ".high"]
            nodes.append(helper.make_node("Clip", inputs, node.output))
        elif node.op_type == "Sub" and source is not None and source.op_type == "Conv":
            bias = numpy_helper.from_array(-numbers[node.input[1]].reshape(-1), node.output[0] + ".bias")
            graph.initializer.append(bias)
            source.input.append(bias.name)
            source.output[0] = node.output[0]
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    return model


def main(source, target, folder):
    quantize_static(
        plain(onnx.load(source)),
        target,
        Images(images_of(folder)),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])

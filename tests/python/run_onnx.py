"""Runs ONNX models on one batch of images and writes their logits.

usage: run_onnx.py FOLDER NAME...
NAME.onnx and images.f32 (float32, images behind each other) are read from FOLDER, NAME.f32 is written there. A name that
ends in -qonnx is executed by QONNX, on 200 images at most, every other one by onnxruntime. Prints for each model a line: its name, its metadata as
JSON, and how many nodes of each kind onnxruntime's optimized model has, as JSON.
"""

import collections
import json
import os
import sys

import numpy
import onnx

QONNX_IMAGES = 200  # it is slow


def shape_of(value, images):
    return [dim.dim_value or images for dim in value.type.tensor_type.shape.dim]


def run_onnxruntime(path, images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = path + ".optimized"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    logits = session.run(None, {"images": images})[0]
    kinds = collections.Counter(node.op_type for node in onnx.load(path + ".optimized").graph.node)
    os.remove(path + ".optimized")
    return logits, kinds


def run_qonnx(model, images):
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = len(images)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = len(images)
    wrapper = ModelWrapper(model).transform(InferShapes())
    return execute_onnx(wrapper, {"images": images})["logits"], {}


def main(folder, names):
    for name in names:
        path = os.path.join(folder, name + ".onnx")
        model = onnx.load(path)
        is_qonnx = name.endswith("-qonnx")
        if not is_qonnx:
            onnx.checker.check_model(model, full_check=True)
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
            known = {value.name for value in inferred.graph.value_info} | {value.name for value in model.graph.output}
            missing = [output for node in model.graph.node for output in node.output if output not in known]
            assert not missing, "no shape: %s" % missing
        raw = numpy.fromfile(os.path.join(folder, "images.f32"), numpy.float32)
        shape = shape_of(model.graph.input[0], 1)[1:]
        images = raw.reshape([-1] + shape)
        logits, kinds = run_qonnx(model, images[:QONNX_IMAGES]) if is_qonnx else run_onnxruntime(path, images)
        logits.astype(numpy.float32).tofile(os.path.join(folder, name + ".f32"))
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        print("\t".join([name, json.dumps(metadata), json.dumps(kinds)]))


main(sys.argv[1], sys.argv[2:])

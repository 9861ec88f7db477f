#!/usr/bin/env python3
"""Times the integer engine beside onnxruntime: compare_engines.py MODEL.h5 MODEL.onnx [threads].

The networks should be the same, say MODEL.h5 and its export. All take turns in one process. It prints milliseconds a
batch, medians, by the clock and, on one thread, of the processor, and the ratios. Where torch is installed, PyTorch
evaluates MODEL.h5 too, in float32. It needs the Python package (python/) and onnxruntime, whose threads do not wait at
full speed here: they would take the processor from the others.
"""

import statistics
import sys
import time

import bsq
import numpy
import onnxruntime


def measure(works, clock, turns):
    times = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            begin = clock()
            work()
            times[name].append(1000 * (clock() - begin))
    return {name: statistics.median(found) for name, found in times.items()}


def pytorch(model, threads):
    """A function that evaluates the file; None without torch."""
    try:
        import torch
        from bsq.torch_model import StoredNetwork
    except ImportError:
        return None
    torch.set_num_threads(threads)
    network = StoredNetwork(model)

    def evaluate(images):
        with torch.inference_mode():
            network(torch.from_numpy(images))

    return evaluate


def main(model, onnx, threads=1):
    engine = bsq.Model(model)
    evaluate = pytorch(model, threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    clocks = {"clock": time.perf_counter}
    if threads == 1:
        clocks["processor"] = time.process_time
    for batch in (1, 128):
        images = numpy.random.default_rng(1).standard_normal((batch, *engine.image_shape), dtype=numpy.float32)
        works = {
            "onnxruntime": lambda: session.run(None, {name: images}),
            "engine": lambda: engine.predict(images, threads),
        }
        if evaluate is not None:
            works["PyTorch fp32"] = lambda: evaluate(images)
        for label, clock in clocks.items():
            found = measure(works, clock, 200 if batch == 1 else 10)
            texts = ", ".join(f"{key} {value:.3f} ms" for key, value in found.items())
            ratios = ", ".join(f"{key} {value / found['engine']:.2f}" for key, value in found.items() if key != "engine")
            print(f"batch {batch}, {threads} threads, by the {label}: {texts}; over the engine: {ratios}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))

"""Run by ctest on an installed wheel: MODEL is a small model file, HOSTILE a damaged one."""

import os

import bsq
import numpy
import pytest

MODEL = os.environ["BSQ_TEST_MODEL"]


@pytest.fixture(scope="module")
def images():
    return numpy.random.default_rng(1).integers(0, 256, (64, 3, 32, 32), dtype=numpy.uint8)


@pytest.fixture(scope="module")
def model():
    return bsq.Model(MODEL)


def normalized(images, metadata):
    mean, std = (numpy.asarray(metadata[name], numpy.float32).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    return (images.astype(numpy.float32) / numpy.float32(255) - mean) / std


def test_load_gives_values_and_codes():
    stored = bsq.load(MODEL)
    assert stored.codes and stored.metadata["program"]["nodes"][0]["kind"] == "input"
    for name, codes in stored.codes.items():
        scale = codes.scale.reshape((-1,) + (1,) * (codes.integers.ndim - 1)) if codes.scale.size > 1 else codes.scale
        expected = codes.integers / numpy.float32(codes.levels) * scale
        assert numpy.allclose(stored.values[name], expected, rtol=1e-6), name
        assert codes.bits in range(17)


def test_bytes_and_normalized_images_agree(model, images):
    logits = model.predict(images)
    assert logits.shape == (64, model.metadata["classes"])
    assert (model.predict(normalized(images, model.metadata)) == logits).all()


def test_threads_change_nothing(model, images):
    assert (model.predict(images, threads=2) == model.predict(images)).all()
    assert (model.predict(images[:1], threads=2) == model.predict(images)[:1]).all()


def test_wrong_images_are_refused(model):
    with pytest.raises(ValueError, match="expected images of the shape"):
        model.predict(numpy.zeros((1, 3, 31, 32), numpy.uint8))
    with pytest.raises(ValueError, match="expected uint8"):
        model.predict(numpy.zeros((1, 3, 32, 32), numpy.int64))
    with pytest.raises(ValueError):
        model.predict(numpy.zeros((1, 3, 32, 32), numpy.uint8), threads=0)


def test_damaged_files_are_refused(tmp_path):
    content = bytearray(open(MODEL, "rb").read())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(content)
    with pytest.raises(bsq.Error, match="damaged.h5: damaged"):
        bsq.Model(damaged)
    with pytest.raises(bsq.Error, match="missing.h5"):
        bsq.load(tmp_path / "missing.h5")


def test_pytorch_finds_the_same_classes(model, images):
    torch = pytest.importorskip("torch")
    from bsq.torch_model import StoredNetwork

    state = bsq.to_torch(MODEL)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    with torch.no_grad():
        logits = StoredNetwork(MODEL).eval()(torch.from_numpy(normalized(images, model.metadata))).numpy()
    ours = model.predict(images)
    two = numpy.sort(ours, axis=1)[:, -2:]
    is_clear = two[:, 1] - two[:, 0] > 0.05 * ours.std()
    assert is_clear.sum() > 30
    assert (logits.argmax(1) == ours.argmax(1))[is_clear].all()

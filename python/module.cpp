#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/infer/engine.h"

namespace py = pybind11;
using bsq::infer::Engine;
using bsq::infer::StoredModel;

namespace {

template <typename T>
py::array_t<T> array_of(const std::vector<T>& numbers, const std::vector<int64_t>& shape) {
  py::array_t<T> array(std::vector<py::ssize_t>(shape.begin(), shape.end()));
  std::copy(numbers.begin(), numbers.end(), array.mutable_data());
  return array;
}

py::dict metadata_of(const StoredModel& model) {
  py::dict metadata;
  metadata["method"] = model.method;
  metadata["architecture"] = model.architecture;
  metadata["options"] = model.options;
  metadata["dataset"] = model.dataset;
  metadata["scheme"] = model.scheme;
  metadata["program"] = model.program;
  metadata["classes"] = model.classes;
  metadata["class_names"] = model.class_names;
  metadata["mean"] = model.mean;
  metadata["std"] = model.std;
  metadata["top1"] = model.top1;
  metadata["comp"] = model.comp;
  metadata["comp_stored"] = model.comp_stored;
  return metadata;
}

// (metadata, {name: values}, {name: (integers, scale, levels, offset or None, bits)}).
py::tuple read_stored(const std::string& path) {
  StoredModel model;
  {
    const py::gil_scoped_release release;
    model = bsq::infer::read_model(path);
  }
  py::dict values, codes;
  for (const auto& name : model.names) {
    const auto array = model.arrays.find(name);
    if (array != model.arrays.end()) {
      values[name.c_str()] = array_of(array->second.values, array->second.shape);
      continue;
    }
    const auto& stored = model.codes.at(name);
    const auto count = static_cast<int64_t>(stored.scale.size());
    values[name.c_str()] = array_of(stored.values(), stored.shape);
    py::object offset = py::none();
    if (!stored.offset.empty()) {
      offset = array_of(stored.offset, {count});
    }
    codes[name.c_str()] = py::make_tuple(array_of(stored.integers, stored.shape),
                                         array_of(stored.scale, {count}), stored.levels, offset, stored.bits);
  }
  return py::make_tuple(metadata_of(model), values, codes);
}

template <typename Pixel>
py::array_t<float> run(const Engine& engine,
                       const py::array_t<Pixel, py::array::c_style | py::array::forcecast>& images,
                       int threads) {
  const bool fits = images.ndim() == 4 && images.shape(1) == engine.channels() &&
                    images.shape(2) == engine.height() && images.shape(3) == engine.width();
  if (!fits) {
    throw py::value_error("expected images of the shape (count, " + std::to_string(engine.channels()) + ", " +
                          std::to_string(engine.height()) + ", " + std::to_string(engine.width()) + ")");
  }
  py::array_t<float> logits({images.shape(0), static_cast<py::ssize_t>(engine.classes())});
  const Pixel* from = images.data();
  float* to = logits.mutable_data();
  const int64_t count = images.shape(0);
  const py::gil_scoped_release release;
  engine.run(from, count, to, threads);
  return logits;
}

}  // namespace

PYBIND11_MODULE(_engine, module) {
  py::register_exception<bsq::Error>(module, "Error", PyExc_RuntimeError);
  module.def("read", &read_stored);
  py::class_<Engine>(module, "Engine")
      .def(py::init<const std::string&, const std::string&>(), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("metadata", [](const Engine& engine) { return metadata_of(engine.about()); })
      .def_property_readonly("image_shape",
                             [](const Engine& engine) {
                               return py::make_tuple(engine.channels(), engine.height(), engine.width());
                             })
      .def("run_bytes", &run<uint8_t>)
      .def("run_floats", &run<float>);
}

#include "bsq/io/onnx/onnx_model.h"

#include <onnx/onnx_pb.h>

#include <fstream>
#include <set>
#include <stdexcept>

namespace bsq {
namespace {

// The release of the file format that came with an opset.
int64_t ir_version(int64_t opset) {
  const std::pair<int64_t, int64_t> releases[] = {{13, 7},  {14, 7},  {15, 8}, {16, 8},  {17, 8},
                                                  {18, 8},  {19, 9},  {20, 9}, {21, 10}, {22, 10},
                                                  {23, 11}, {24, 12}, {25, 13}};
  for (const auto& [known, version] : releases) {
    if (known == opset) {
      return version;
    }
  }
  throw std::invalid_argument("opset " + std::to_string(opset) + "; expected " +
                              std::to_string(OnnxModel::kFirstOpset) + " to " +
                              std::to_string(OnnxModel::kLastOpset));
}

int64_t bits_of(OnnxType type) {
  switch (type) {
    case OnnxType::kUint2:
    case OnnxType::kInt2:
      return 2;
    case OnnxType::kUint4:
    case OnnxType::kInt4:
      return 4;
    case OnnxType::kUint8:
    case OnnxType::kInt8:
      return 8;
    case OnnxType::kUint16:
    case OnnxType::kInt16:
      return 16;
    case OnnxType::kFloat:
    case OnnxType::kInt32:
      return 32;
    case OnnxType::kInt64:
      return 64;
  }
  throw std::logic_error("onnx: no such type");
}

bool is_unsigned(OnnxType type) {
  return type == OnnxType::kUint2 || type == OnnxType::kUint4 || type == OnnxType::kUint8 ||
         type == OnnxType::kUint16;
}

// Integers in little-endian order, those below 8 bits packed from the lowest bits of a byte on.
std::string packed_integers(const torch::Tensor& values, OnnxType type) {
  const auto integers = values.to(torch::kInt64).contiguous();
  const int64_t* data = integers.data_ptr<int64_t>();
  const int64_t bits = bits_of(type);
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  std::string bytes(static_cast<size_t>((integers.numel() * bits + 7) / 8), '\0');
  for (int64_t i = 0; i < integers.numel(); ++i) {
    const uint64_t pattern = static_cast<uint64_t>(data[i]) & mask;
    const auto at = static_cast<size_t>(i * bits / 8);
    if (bits < 8) {
      bytes[at] = static_cast<char>(static_cast<uint8_t>(bytes[at]) | (pattern << (i * bits % 8)));
    } else {
      for (int64_t byte = 0; byte < bits / 8; ++byte) {
        bytes[at + static_cast<size_t>(byte)] = static_cast<char>(pattern >> (8 * byte));
      }
    }
  }
  return bytes;
}

std::string packed_floats(const torch::Tensor& values) {
  const auto floats = values.to(torch::kFloat32).contiguous();
  return {static_cast<const char*>(floats.data_ptr()), static_cast<size_t>(floats.nbytes())};
}

void check_limits(const std::string& name, const torch::Tensor& values, OnnxType type) {
  if (type == OnnxType::kInt64 || values.numel() == 0) {
    return;
  }
  const auto [low, high] = limits_of(type);
  const auto least = values.min().item<int64_t>();
  const auto most = values.max().item<int64_t>();
  if (least < low || most > high) {
    throw std::invalid_argument(name + ": integers from " + std::to_string(least) + " to " +
                                std::to_string(most) + "; expected " + std::to_string(low) + " to " +
                                std::to_string(high));
  }
}

void fill(onnx::ValueInfoProto& info, const std::string& name, const std::vector<int64_t>& shape) {
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int32_t>(OnnxType::kFloat));
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const int64_t size : shape) {
    type.mutable_shape()->add_dim()->set_dim_value(size);
  }
}

void fill(onnx::AttributeProto& attribute, const OnnxAttribute& wanted) {
  attribute.set_name(wanted.name);
  if (const auto* integer = std::get_if<int64_t>(&wanted.value)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(*integer);
  } else if (const auto* real = std::get_if<double>(&wanted.value)) {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(static_cast<float>(*real));
  } else if (const auto* text = std::get_if<std::string>(&wanted.value)) {
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(*text);
  } else {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t entry : std::get<std::vector<int64_t>>(wanted.value)) {
      attribute.add_ints(entry);
    }
  }
}

}  // namespace

struct OnnxModel::Parts {
  onnx::ModelProto model;
  std::set<std::string> names;
  bool has_qonnx = false;
};

std::pair<int64_t, int64_t> limits_of(OnnxType type) {
  const int64_t bits = bits_of(type);
  return is_unsigned(type) ? std::pair(int64_t{0}, (int64_t{1} << bits) - 1)
                           : std::pair(-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1);
}

OnnxModel::OnnxModel(const std::string& name, int64_t opset)
    : parts_(std::make_unique<Parts>()), opset_(opset) {
  auto& model = parts_->model;
  model.set_ir_version(ir_version(opset));
  model.set_producer_name("bsq");
  auto& imported = *model.add_opset_import();
  imported.set_domain("");
  imported.set_version(opset);
  model.mutable_graph()->set_name(name);
}

OnnxModel::~OnnxModel() = default;

std::string OnnxModel::unique(const std::string& name) {
  auto free = name;
  for (int64_t i = 2; !parts_->names.insert(free).second; ++i) {
    free = name + "_" + std::to_string(i);
  }
  return free;
}

std::string OnnxModel::input(const std::string& name, const std::vector<int64_t>& shape) {
  fill(*parts_->model.mutable_graph()->add_input(), unique(name), shape);
  return name;
}

void OnnxModel::output(const std::string& value, const std::string& name, const std::vector<int64_t>& shape) {
  fill(*parts_->model.mutable_graph()->add_output(), node("Identity", name, {value}), shape);
}

std::string OnnxModel::constant(const std::string& name, const torch::Tensor& values, OnnxType type) {
  const auto own = values.detach().cpu();
  auto& tensor = *parts_->model.mutable_graph()->add_initializer();
  tensor.set_name(unique(name));
  tensor.set_data_type(static_cast<int32_t>(type));
  for (const int64_t size : own.sizes()) {
    tensor.add_dims(size);
  }
  if (type == OnnxType::kFloat) {
    tensor.set_raw_data(packed_floats(own));
  } else {
    check_limits(name, own, type);
    tensor.set_raw_data(packed_integers(own, type));
  }
  return tensor.name();
}

std::string OnnxModel::number(const std::string& name, double value) {
  return constant(name, torch::tensor(value, torch::kFloat64), OnnxType::kFloat);
}

std::string OnnxModel::node(const std::string& operation, const std::string& name,
                            const std::vector<std::string>& inputs,
                            const std::vector<OnnxAttribute>& attributes, const std::string& domain) {
  const auto own = unique(name);
  auto& node = *parts_->model.mutable_graph()->add_node();
  node.set_op_type(operation);
  node.set_name(own);
  node.set_domain(domain);
  for (const auto& input : inputs) {
    node.add_input(input);
  }
  node.add_output(own);
  for (const auto& attribute : attributes) {
    fill(*node.add_attribute(), attribute);
  }
  if (domain == kQonnxDomain && !parts_->has_qonnx) {
    parts_->has_qonnx = true;
    auto& imported = *parts_->model.add_opset_import();
    imported.set_domain(domain);
    imported.set_version(1);
  }
  return own;
}

void OnnxModel::metadata(const std::string& key, const std::string& text) {
  auto& entry = *parts_->model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(text);
}

std::string OnnxModel::bytes() const {
  std::string bytes;
  if (!parts_->model.SerializeToString(&bytes)) {
    throw std::invalid_argument("onnx: a model of more than 2 GiB");
  }
  return bytes;
}

bool is_onnx_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  onnx::ModelProto model;
  return in && model.ParseFromIstream(&in) && model.ir_version() > 0 && model.has_graph();
}

}  // namespace bsq

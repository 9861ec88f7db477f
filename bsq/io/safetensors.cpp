#include "bsq/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"

namespace bsq {
namespace {

using nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the format has it
constexpr int64_t kMaxElements = int64_t{1} << 31;
constexpr size_t kMaxDimensions = 16;

struct TypeName {
  const char* name;
  torch::ScalarType type;
};
constexpr TypeName kTypes[] = {{"F32", torch::kFloat32},   {"F64", torch::kFloat64}, {"F16", torch::kFloat16},
                               {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
                               {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
                               {"BOOL", torch::kBool}};

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Error(path + ": " + what); }

// The length of the header; 0 where the file is none of this kind.
uint64_t header_length(std::ifstream& in, uint64_t file_bytes) {
  char bytes[kLengthBytes + 1];
  if (!in.read(bytes, sizeof(bytes)) || bytes[kLengthBytes] != '{') {
    return 0;
  }
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return length <= kMaxHeaderBytes && length <= file_bytes - kLengthBytes ? length : 0;
}

// The header's object; keys may stand there once.
json parse_header(const std::string& path, const std::string& text) {
  constexpr int kMaxDepth = 4;
  std::set<std::string> names;
  std::string fault;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kMaxDepth) {
      fault = "a header nested deeper than a list in an entry";
    } else if (depth == 1 && event == json::parse_event_t::key &&
               !names.insert(value.get<std::string>()).second) {
      fault = "two entries of one name in the header";
    }
    return fault.empty();
  };
  json header = json::parse(text, watch, /*allow_exceptions=*/false);
  if (!fault.empty()) {
    fail(path, fault);
  }
  if (header.is_discarded() || !header.is_object()) {
    fail(path, "its header is no JSON object");
  }
  return header;
}

// Where a tensor's bytes lie behind the header.
struct Place {
  torch::ScalarType type;
  std::vector<int64_t> sizes;
  uint64_t first, last;
};

torch::ScalarType type_of(const std::string& where, const json& entry) {
  const auto name = entry.find("dtype");
  if (name == entry.end() || !name->is_string()) {
    throw Error(where + ": no dtype, expected one such as F32");
  }
  for (const auto& [known, type] : kTypes) {
    if (*name == known) {
      return type;
    }
  }
  throw Error(where + ": dtype " + name->dump(-1, ' ', /*ensure_ascii=*/true) +
              ", which is not read; expected one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
}

std::vector<uint64_t> numbers_of(const std::string& where, const json& entry, const char* name) {
  const auto list = entry.find(name);
  if (list == entry.end() || !list->is_array() || list->size() > kMaxDimensions) {
    throw Error(where + ": no " + name + ", expected a list of up to 16 numbers");
  }
  std::vector<uint64_t> numbers;
  for (const auto& number : *list) {
    if (!number.is_number_unsigned()) {
      throw Error(where + ": " + name + " holds something else than numbers from 0 on");
    }
    numbers.push_back(number.get<uint64_t>());
  }
  return numbers;
}

Place place_of(const std::string& where, const json& entry, uint64_t data_bytes) {
  if (!entry.is_object()) {
    throw Error(where + ": expected an object with dtype, shape and data_offsets");
  }
  Place place{type_of(where, entry), {}, 0, 0};
  int64_t elements = 1;
  bool is_empty = false;
  for (const uint64_t size : numbers_of(where, entry, "shape")) {
    is_empty = is_empty || size == 0;
    if (size > static_cast<uint64_t>(kMaxElements) ||
        (elements *= std::max<int64_t>(static_cast<int64_t>(size), 1)) > kMaxElements) {
      throw Error(where + ": more than " + std::to_string(kMaxElements) + " elements");
    }
    place.sizes.push_back(static_cast<int64_t>(size));
  }
  const auto offsets = numbers_of(where, entry, "data_offsets");
  const uint64_t bytes = is_empty ? 0 : static_cast<uint64_t>(elements) * torch::elementSize(place.type);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes ||
      offsets[1] - offsets[0] != bytes) {
    throw Error(where + ": data_offsets that do not hold its " + std::to_string(bytes) +
                " bytes within the file");
  }
  place.first = offsets[0];
  place.last = offsets[1];
  return place;
}

// Every byte behind the header belongs to one tensor.
void check_cover(const std::string& path, std::vector<std::pair<uint64_t, uint64_t>> parts,
                 uint64_t data_bytes) {
  std::sort(parts.begin(), parts.end());
  uint64_t end = 0;
  for (const auto& [first, last] : parts) {
    if (first != end) {
      fail(path, "its tensors overlap or leave gaps at byte " + std::to_string(end) + " behind the header");
    }
    end = last;
  }
  if (end != data_bytes) {
    fail(path, std::to_string(data_bytes - end) + " bytes at its end belong to no tensor");
  }
}

torch::Tensor read_tensor(const std::string& where, std::ifstream& in, uint64_t data_start,
                          const Place& place) {
  auto tensor = torch::empty(place.sizes, place.type);
  auto* data = static_cast<char*>(tensor.data_ptr());
  const auto bytes = static_cast<std::streamsize>(place.last - place.first);
  in.seekg(static_cast<std::streamoff>(data_start + place.first));
  if (bytes > 0 && !in.read(data, bytes)) {
    throw Error(where + ": cannot be read");
  }
  if (place.type == torch::kBool &&
      std::any_of(data, data + bytes, [](char b) { return b != 0 && b != 1; })) {
    throw Error(where + ": bools other than 0 and 1");
  }
  return tensor;
}

json tensors_json(const PyTorchTensors& tensors) {
  auto object = json::object();
  for (const auto& [name, tensor] : tensors) {
    const auto flat = tensor.detach().cpu().to(torch::kFloat64).contiguous().flatten();
    object[name] = {
        {"shape", tensor.sizes().vec()},
        {"values", std::vector<double>(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel())}};
  }
  return object;
}

PyTorchTensors tensors_from(const json& object) {
  PyTorchTensors tensors;
  for (const auto& [name, entry] : object.items()) {
    const auto values = entry.at("values").get<std::vector<double>>();
    const auto shape = entry.at("shape").get<std::vector<int64_t>>();
    int64_t elements = 1;
    for (const int64_t size : shape) {
      elements = size < 0 || size > kMaxElements || elements > kMaxElements ? -1 : elements * size;
    }
    if (elements != static_cast<int64_t>(values.size())) {
      throw Error("the values of '" + name + "' do not fit its shape");
    }
    tensors.emplace_back(name, torch::tensor(values, torch::kFloat64).to(torch::kFloat32).reshape(shape));
  }
  return tensors;
}

// The texts of "__metadata__".
json metadata_of(const PyTorchCheckpoint& checkpoint) {
  json metadata = {{"format", "pt"}};
  if (checkpoint.epoch) {
    metadata["epoch"] = json(*checkpoint.epoch).dump();
  }
  if (checkpoint.accuracy) {
    metadata["acc"] = json(*checkpoint.accuracy).dump();
  }
  if (checkpoint.has_bits) {
    metadata["Nbit_dict"] = json(checkpoint.bits).dump();
  }
  if (const auto& extras = checkpoint.extras) {
    metadata["bsq"] = json({{"description", extras->description},
                            {"scales", tensors_json(extras->scales)},
                            {"state", tensors_json(extras->state)}})
                          .dump();
  }
  return metadata;
}

void take_metadata(const json& metadata, PyTorchCheckpoint& checkpoint) {
  // Throws for text that is not JSON.
  const auto parsed = [&](const char* name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? json() : json::parse(found->get<std::string>());
  };
  if (const auto epoch = parsed("epoch"); !epoch.is_null()) {
    checkpoint.epoch = epoch.get<int64_t>();
  }
  if (const auto accuracy = parsed("acc"); !accuracy.is_null()) {
    checkpoint.accuracy = accuracy.get<double>();
  }
  if (const auto bits = parsed("Nbit_dict"); !bits.is_null()) {
    checkpoint.bits = bits.get<decltype(checkpoint.bits)>();
    checkpoint.has_bits = true;
  }
  if (const auto extras = parsed("bsq"); !extras.is_null()) {
    checkpoint.extras = PyTorchExtras{extras.at("description").get<std::string>(),
                                      tensors_from(extras.at("scales")), tensors_from(extras.at("state"))};
  }
}

PyTorchCheckpoint read_file(const std::string& path) {
  std::error_code error;
  const auto file_bytes = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  const uint64_t length = error || !in ? 0 : header_length(in, file_bytes);
  if (length == 0) {
    fail(path, "not a .safetensors file: expected the length of a JSON header in 8 bytes, and the header");
  }
  std::string text(length, '\0');
  in.seekg(kLengthBytes);
  if (!in.read(text.data(), static_cast<std::streamsize>(length))) {
    fail(path, "its header cannot be read");
  }
  const json header = parse_header(path, text);
  const uint64_t data_start = kLengthBytes + length;
  const uint64_t data_bytes = file_bytes - data_start;
  PyTorchCheckpoint checkpoint;
  std::vector<std::pair<std::string, Place>> places;
  std::vector<std::pair<uint64_t, uint64_t>> parts;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      continue;
    }
    if (!is_state_key(name)) {
      fail(path, "holds a tensor whose name is not 1 to 256 printable bytes");
    }
    places.emplace_back(name, place_of(path + ": " + name, entry, data_bytes));
    parts.emplace_back(places.back().second.first, places.back().second.last);
  }
  check_cover(path, parts, data_bytes);
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  for (const auto& [name, place] : places) {
    checkpoint.state.emplace_back(name, read_tensor(path + ": " + name, in, data_start, place));
  }
  if (checkpoint.state.empty()) {
    fail(path, "holds no tensors");
  }
  if (const auto metadata = header.find(kMetadata); metadata != header.end()) {
    try {
      take_metadata(*metadata, checkpoint);
    } catch (const json::exception&) {
      fail(path, "its metadata 'epoch', 'acc', 'Nbit_dict' or 'bsq' is not as our exports have it");
    }
  }
  unwrap_names(checkpoint);
  return checkpoint;
}

}  // namespace

bool is_safetensors_name(const std::string& path) {
  return std::filesystem::path(path).extension() == ".safetensors";
}

bool is_safetensors_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return false;
  }
  const auto bytes = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  return !error && in && header_length(in, bytes) != 0;
}

PyTorchCheckpoint read_safetensors(const std::string& path) {
  try {
    return read_file(path);
  } catch (const c10::Error&) {
    // libtorch's own messages run over many lines.
    fail(path, "libtorch refuses its tensors, or there is not enough memory for them");
  } catch (const std::bad_alloc&) {
    fail(path, "not enough memory for it");
  }
}

void write_safetensors(const std::string& path, const PyTorchCheckpoint& checkpoint) {
  json header = {{kMetadata, metadata_of(checkpoint)}};
  std::vector<torch::Tensor> tensors;
  uint64_t end = 0;
  for (const auto& [name, value] : checkpoint.state) {
    const auto tensor = value.detach().cpu().contiguous();
    const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                     [&](const auto& type) { return type.type == tensor.scalar_type(); });
    if (known == std::end(kTypes) || !is_state_key(name) || header.contains(name)) {
      throw std::invalid_argument("tensor '" + name +
                                  "' has a type or name that .safetensors files do not hold");
    }
    const uint64_t first = end;
    end += static_cast<uint64_t>(tensor.numel()) * tensor.element_size();
    header[name] = {{"dtype", known->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {first, end}}};
    tensors.push_back(tensor);
  }
  std::string text = header.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  std::string length(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length[i] = static_cast<char>(text.size() >> 8 * i);
  }
  std::vector<std::string_view> pieces = {length, text};
  for (const auto& tensor : tensors) {
    pieces.emplace_back(static_cast<const char*>(tensor.data_ptr()),
                        static_cast<size_t>(tensor.numel()) * tensor.element_size());
  }
  write_bytes_atomically(path, pieces);
}

}  // namespace bsq

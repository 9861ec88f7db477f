#include "bsq/data/cifar_python.h"

#include <filesystem>
#include <fstream>

#include "bsq/base/error.h"
#include "bsq/pickle/pickle_machine.h"

namespace bsq {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Value;

constexpr int64_t kPixels = 3 * 32 * 32;
constexpr uintmax_t kMostBytes = uintmax_t{1} << 30;

Document read_pickle(const std::string& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error) {
    throw Error(file + ": no such file, expected one of CIFAR's Python version");
  }
  if (bytes > kMostBytes) {
    throw Error(file + ": " + std::to_string(bytes) + " bytes, expected at most " +
                std::to_string(kMostBytes));
  }
  std::string text(static_cast<size_t>(bytes), '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    throw Error(file + ": cannot be read, expected " + std::to_string(bytes) + " bytes");
  }
  size_t position = 0;
  return pickle::parse(text, position, file);
}

const Value& entry(const Document& document, const std::string& key, Kind kind) {
  const auto& top = document.at(document.root);
  if (top.kind != Kind::kDict) {
    document.fail("holds " + describe(top) + ", expected a dict, as CIFAR's Python files are");
  }
  const auto* found = document.find(top, key);
  if (found == nullptr || found->kind != kind) {
    document.fail("its '" + key + "' is " + (found == nullptr ? "missing" : describe(*found)) +
                  ", expected " + pickle::describe(kind));
  }
  return *found;
}

// The bytes of (N, 3072) uint8 in C's order.
const std::string& pixels_of(const Document& document) {
  const auto& array = entry(document, "data", Kind::kNumpyArray);
  if (array.items.empty()) {
    document.fail("its 'data' is a numpy array without content");
  }
  const auto& shape = document.at(array.items[0]).items;
  const auto& type = document.at(array.items[1]).text;
  const bool is_fortran = document.at(array.items[2]).integer != 0;
  const auto& bytes = document.at(array.items[3]).text;
  const bool fits = shape.size() == 2 && document.at(shape[1]).integer == kPixels && type == "u1" &&
                    !is_fortran &&
                    document.at(shape[0]).integer == static_cast<int64_t>(bytes.size()) / kPixels &&
                    static_cast<int64_t>(bytes.size()) % kPixels == 0;
  if (!fits) {
    document.fail("its 'data' holds " + std::to_string(bytes.size()) + " bytes of " +
                  pickle::printable(type) + " in " + std::to_string(shape.size()) +
                  " dimensions; expected uint8 in rows of 3072");
  }
  return bytes;
}

}  // namespace

CifarBatch read_cifar_batch(const std::string& file, const std::string& label_key, int64_t classes) {
  const auto document = read_pickle(file);
  CifarBatch batch;
  batch.pixels = pixels_of(document);
  const auto& labels = entry(document, label_key, Kind::kList).items;
  if (labels.size() * static_cast<size_t>(kPixels) != batch.pixels.size()) {
    document.fail("holds " + std::to_string(labels.size()) + " labels of " +
                  std::to_string(batch.pixels.size() / static_cast<size_t>(kPixels)) + " images");
  }
  for (const auto ref : labels) {
    const auto& label = document.at(ref);
    if (label.kind != Kind::kInteger || label.integer < 0 || label.integer >= classes) {
      document.fail("image " + std::to_string(batch.labels.size()) + " has the label " +
                    (label.kind == Kind::kInteger ? std::to_string(label.integer) : describe(label)) +
                    ", expected 0 to " + std::to_string(classes - 1));
    }
    batch.labels.push_back(label.integer);
  }
  return batch;
}

std::vector<std::string> read_cifar_names(const std::string& file, const std::string& key) {
  const auto document = read_pickle(file);
  std::vector<std::string> names;
  for (const auto ref : entry(document, key, Kind::kList).items) {
    if (document.at(ref).kind != Kind::kString) {
      document.fail("its '" + key + "' holds " + describe(document.at(ref)) + ", expected strings");
    }
    names.push_back(document.at(ref).text);
  }
  return names;
}

}  // namespace bsq

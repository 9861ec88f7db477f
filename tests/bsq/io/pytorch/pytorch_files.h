#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bsq/pickle/pickle_writer.h"

namespace bsq::test {

/// What a hand-made file says about a tensor.
struct TensorSpec {
  std::string key = "0";
  std::string storage = "FloatStorage";
  int64_t numel = 6;
  int64_t offset = 0;
  std::vector<int64_t> sizes = {2, 3};
  std::vector<int64_t> strides = {3, 1};
};

/// A storage as a hand-made file holds it; the count is written as it stands, true or not.
struct StorageSpec {
  std::string key;
  int64_t count;
  std::string bytes;
};

/// The bytes of these numbers.
std::string float_bytes(const std::vector<float>& numbers);
/// The storage "0" of the six numbers 0 to 5, which fits the default TensorSpec.
StorageSpec six_floats();

/// The opcodes that make a tensor.
void put_tensor(pickle::Writer& out, const TensorSpec& spec);
/// The pickle of {"w": tensor}.
std::string state_pickle(const TensorSpec& spec = {});
/// The pickle of {"w": tensor, "x": whatever these opcodes push}.
std::string state_pickle_beside(const std::string& opcodes);

/// Writes a file in the old format or as a zip archive.
void write_legacy(const std::string& path, const std::string& objects,
                  const std::vector<StorageSpec>& storages);
void write_zip(const std::string& path, const std::string& objects, const std::vector<StorageSpec>& storages,
               bool compress = false);

/// The files of a tar archive, in order.
using TarFiles = std::vector<std::pair<std::string, std::string>>;
/// Writes a tar archive as Python's tarfile does: before each file an extended header, which holds
/// `extension`.
void write_tar(const std::string& path, const TarFiles& files,
               const std::string& extension = "26 mtime=1480000000.123456\n");

/// The message with which read_pytorch refuses a file, checked to be one line that starts with the path; ""
/// if it reads.
std::string refusal(const std::string& path);

}  // namespace bsq::test

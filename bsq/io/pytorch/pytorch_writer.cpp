#include "bsq/io/pytorch/pytorch_writer.h"

#include <zip.h>

#include <memory>
#include <stdexcept>
#include <unordered_set>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/pickle/pickle_builder.h"
#include "bsq/pickle/pickle_writer.h"

namespace bsq {
namespace {

using pickle::Opcode;

/// The pickle, and the tensors whose bytes go beside it.
struct Contents {
  std::string pickle;
  std::vector<torch::Tensor> storages;
};

torch::Tensor storable(const std::string& name, const torch::Tensor& tensor) {
  if (!is_state_key(name)) {
    throw std::invalid_argument("a tensor's name has " + std::to_string(name.size()) +
                                " bytes, expected 1 to 256 printable ones");
  }
  if (!tensor.defined() || tensor.layout() != torch::kStrided ||
      pickle::storage_class(tensor.scalar_type()) == nullptr) {
    throw std::invalid_argument("tensor '" + name +
                                "' is undefined, sparse or of a type that PyTorch files lack");
  }
  return tensor.detach().to(torch::kCPU).contiguous();
}

void write_sizes(pickle::Writer& out, torch::IntArrayRef sizes) {
  out.put(Opcode::kMark);
  for (int64_t size : sizes) {
    out.integer(size);
  }
  out.put(Opcode::kTuple);
}

// torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks)
void write_tensor(pickle::Writer& out, Contents& contents, const std::string& name,
                  const torch::Tensor& value) {
  const torch::Tensor tensor = storable(name, value);
  out.global("torch._utils", "_rebuild_tensor_v2");
  out.put(Opcode::kMark);
  out.put(Opcode::kMark);
  out.string("storage");
  out.global("torch", pickle::storage_class(tensor.scalar_type()));
  out.string(std::to_string(contents.storages.size()));
  out.string("cpu");
  out.integer(tensor.numel());
  out.put(Opcode::kTuple);
  out.put(Opcode::kPersistentId);
  out.integer(0);
  write_sizes(out, tensor.sizes());
  write_sizes(out, tensor.strides());
  out.boolean(false);
  out.ordered_dict();
  out.put(Opcode::kTuple);
  out.put(Opcode::kReduce);
  contents.storages.push_back(tensor);
}

void write_state(pickle::Writer& out, Contents& contents, const PyTorchTensors& tensors) {
  std::unordered_set<std::string> seen;
  out.ordered_dict();
  out.put(Opcode::kMark);
  for (const auto& [name, tensor] : tensors) {
    if (!seen.insert(name).second) {
      throw std::invalid_argument("two tensors are named '" + name + "'");
    }
    out.string(name);
    write_tensor(out, contents, name, tensor);
  }
  out.put(Opcode::kSetItems);
}

void write_bits(pickle::Writer& out, const PyTorchCheckpoint& checkpoint) {
  out.put(Opcode::kEmptyDict);
  out.put(Opcode::kMark);
  for (const auto& [layer, widths] : checkpoint.bits) {
    out.string(layer);
    out.put(Opcode::kEmptyList);
    out.put(Opcode::kMark);
    out.integer(widths.first);
    out.integer(widths.second);
    out.put(Opcode::kAppends);
  }
  out.put(Opcode::kSetItems);
}

void write_extras(pickle::Writer& out, Contents& contents, const PyTorchExtras& extras) {
  out.put(Opcode::kEmptyDict);
  out.put(Opcode::kMark);
  out.string("description");
  out.string(extras.description);
  out.string("scales");
  write_state(out, contents, extras.scales);
  out.string("state");
  write_state(out, contents, extras.state);
  out.put(Opcode::kSetItems);
}

Contents describe(const PyTorchCheckpoint& checkpoint) {
  Contents contents;
  pickle::Writer out;
  out.put(Opcode::kEmptyDict);
  out.put(Opcode::kMark);
  out.string("state_dict");
  write_state(out, contents, checkpoint.state);
  if (checkpoint.epoch) {
    out.string("epoch");
    out.integer(*checkpoint.epoch);
  }
  if (checkpoint.accuracy) {
    out.string("acc");
    write_tensor(out, contents, "acc", torch::tensor(*checkpoint.accuracy, torch::kFloat64));
  }
  if (checkpoint.has_bits) {
    out.string("Nbit_dict");
    write_bits(out, checkpoint);
  }
  if (checkpoint.extras) {
    out.string("bsq");
    write_extras(out, contents, *checkpoint.extras);
  }
  out.put(Opcode::kSetItems);
  contents.pickle = out.finish();
  return contents;
}

/// A zip archive of stored entries, whose bytes stay the caller's until close().
class ZipWriter {
 public:
  ZipWriter(const std::string& path, const std::string& target) : target_(target) {
    int code = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
    if (zip_ == nullptr) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      throw Error(target_ + ": cannot be written: " + reason);
    }
  }

  void add(const std::string& name, const void* bytes, size_t size) {
    // libzip takes no null pointer for the bytes of an empty entry.
    zip_source_t* source = zip_source_buffer(zip_.get(), size == 0 ? "" : bytes, size, /*freep=*/0);
    const zip_int64_t index =
        source == nullptr ? -1 : zip_file_add(zip_.get(), name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0 && source != nullptr) {
      zip_source_free(source);
    }
    // 1 January 1980, so that equal checkpoints give equal files.
    constexpr zip_uint16_t kDate = (1 << 5) | 1;
    check(index >= 0 && zip_set_file_compression(zip_.get(), index, ZIP_CM_STORE, 0) == 0 &&
          zip_file_set_dostime(zip_.get(), index, /*time=*/0, kDate, 0) == 0);
  }

  void close() {
    check(zip_close(zip_.get()) == 0);
    static_cast<void>(zip_.release());
  }

 private:
  struct Discard {
    void operator()(zip_t* zip) const { zip_discard(zip); }
  };

  void check(bool done) {
    if (!done) {
      throw Error(target_ + ": cannot be written: " + zip_strerror(zip_.get()));
    }
  }

  std::unique_ptr<zip_t, Discard> zip_;
  std::string target_;
};

void write_archive(const std::string& temporary, const std::string& path, const Contents& contents) {
  ZipWriter zip(temporary, path);
  zip.add("archive/data.pkl", contents.pickle.data(), contents.pickle.size());
  zip.add("archive/byteorder", "little", 6);
  for (size_t i = 0; i < contents.storages.size(); ++i) {
    const torch::Tensor& tensor = contents.storages[i];
    zip.add("archive/data/" + std::to_string(i), tensor.data_ptr(), tensor.numel() * tensor.element_size());
  }
  zip.add("archive/version", "3\n", 2);
  zip.close();
}

}  // namespace

void write_pytorch(const std::string& path, const PyTorchCheckpoint& checkpoint) {
  if (!checkpoint.has_bits && !checkpoint.bits.empty()) {
    throw std::invalid_argument("a checkpoint has bits of " + std::to_string(checkpoint.bits.size()) +
                                " layers, but has_bits is false");
  }
  const Contents contents = describe(checkpoint);
  write_atomically(path, [&](const std::string& temporary) { write_archive(temporary, path, contents); });
}

}  // namespace bsq

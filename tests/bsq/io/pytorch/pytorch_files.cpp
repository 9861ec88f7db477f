#include "tests/bsq/io/pytorch/pytorch_files.h"

#include <zip.h>

#include <cstdio>
#include <cstring>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using pickle::Opcode;

void put_sizes(pickle::Writer& out, const std::vector<int64_t>& sizes) {
  out.put(Opcode::kMark);
  for (int64_t size : sizes) {
    out.integer(size);
  }
  out.put(Opcode::kTuple);
}

std::string int64_bytes(int64_t number) {
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

std::string key_list(const std::vector<StorageSpec>& storages) {
  pickle::Writer out;
  out.put(Opcode::kEmptyList);
  out.put(Opcode::kMark);
  for (const StorageSpec& storage : storages) {
    out.string(storage.key);
  }
  out.put(Opcode::kAppends);
  return out.finish();
}

// A header and its data, in blocks of 512 bytes.
std::string tar_entry(const std::string& name, char type, const std::string& data) {
  std::string header(512, '\0');
  const auto put = [&](size_t offset, const std::string& text) { header.replace(offset, text.size(), text); };
  const auto octal = [](size_t number, int digits) {
    char text[16];
    std::snprintf(text, sizeof(text), "%0*zo", digits, number);
    return std::string(text);
  };
  put(0, name);
  put(100, "0000600");
  put(124, octal(data.size(), 11));
  put(136, octal(0, 11));
  put(148, std::string(8, ' '));
  header[156] = type;
  put(257, "ustar");
  put(263, "00");
  size_t sum = 0;
  for (const char byte : header) {
    sum += static_cast<unsigned char>(byte);
  }
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  std::string padded = data;
  padded.resize((data.size() + 511) / 512 * 512);
  return header + padded;
}

void add_entry(zip_t* zip, const std::string& name, const std::string& bytes, bool compress) {
  zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), /*freep=*/0);
  const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
  ASSERT_GE(index, 0) << zip_strerror(zip);
  zip_set_file_compression(zip, index, compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
}

}  // namespace

std::string float_bytes(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

StorageSpec six_floats() { return {"0", 6, float_bytes({0, 1, 2, 3, 4, 5})}; }

void put_tensor(pickle::Writer& out, const TensorSpec& spec) {
  out.global("torch._utils", "_rebuild_tensor_v2");
  out.put(Opcode::kMark);
  out.put(Opcode::kMark);
  out.string("storage");
  out.global("torch", spec.storage);
  out.string(spec.key);
  out.string("cpu");
  out.integer(spec.numel);
  out.put(Opcode::kTuple);
  out.put(Opcode::kPersistentId);
  out.integer(spec.offset);
  put_sizes(out, spec.sizes);
  put_sizes(out, spec.strides);
  out.boolean(false);
  out.ordered_dict();
  out.put(Opcode::kTuple);
  out.put(Opcode::kReduce);
}

std::string state_pickle(const TensorSpec& spec) {
  pickle::Writer out;
  out.put(Opcode::kEmptyDict);
  out.string("w");
  put_tensor(out, spec);
  out.put(Opcode::kSetItem);
  return out.finish();
}

std::string state_pickle_beside(const std::string& opcodes) {
  std::string bytes = state_pickle();
  bytes.pop_back();
  return bytes + std::string("X\1\0\0\0x", 6) + opcodes + "s.";
}

void write_legacy(const std::string& path, const std::string& objects,
                  const std::vector<StorageSpec>& storages) {
  pickle::Writer version;
  version.integer(1001);
  pickle::Writer system;
  system.put(Opcode::kEmptyDict);
  system.string("little_endian");
  system.boolean(true);
  system.put(Opcode::kSetItem);
  std::string bytes("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
  bytes += version.finish() + system.finish() + objects + key_list(storages);
  for (const StorageSpec& storage : storages) {
    bytes += int64_bytes(storage.count) + storage.bytes;
  }
  write_bytes(path, bytes);
}

void write_zip(const std::string& path, const std::string& objects, const std::vector<StorageSpec>& storages,
               bool compress) {
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(zip, nullptr) << path;
  add_entry(zip, "any name/data.pkl", objects, compress);
  for (const StorageSpec& storage : storages) {
    add_entry(zip, "any name/data/" + storage.key, storage.bytes, compress);
  }
  const std::string version = "3\n";
  add_entry(zip, "any name/version", version, /*compress=*/false);
  ASSERT_EQ(zip_close(zip), 0) << zip_strerror(zip);
}

void write_tar(const std::string& path, const TarFiles& files, const std::string& extension) {
  std::string bytes;
  for (const auto& [name, data] : files) {
    bytes += tar_entry("PaxHeader/" + name, 'x', extension) + tar_entry(name, '0', data);
  }
  write_bytes(path, bytes + std::string(1024, '\0'));
}

std::string refusal(const std::string& path) {
  try {
    read_pytorch(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.rfind(path + ": ", 0), 0U) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  return "";
}

}  // namespace bsq::test

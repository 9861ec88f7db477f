#include <zip.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "bsq/io/pytorch/pytorch_archive.h"
#include "bsq/pickle/pickle_machine.h"

namespace bsq {
namespace {

using pickle::printable;
using pickle::StorageRecord;

constexpr int64_t kMaxEntries = 1'000'000;
constexpr uint64_t kMaxTotalBytes = uint64_t{4} << 30;
// Weights hardly shrink: a file that unpacks to more than so many times its size and 64 MiB holds none.
constexpr uint64_t kMostUnpacked = 64;
constexpr uint64_t kUnpackedAllowance = uint64_t{64} << 20;
// The most that deflate can shrink data.
constexpr uint64_t kMaxDeflateRatio = 1032;

struct Entry {
  zip_uint64_t index;
  uint64_t size;
};

struct Discard {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

class ZipArchive : public PyTorchArchive {
 public:
  explicit ZipArchive(const std::string& path);

 protected:
  void check_size(const StorageRecord& storage, int64_t bytes) override;
  void read_into(const StorageRecord& storage, char* destination, int64_t bytes) override;

 private:
  void list_entries(uint64_t file_size);
  Entry check_entry(zip_uint64_t index, const std::string& name) const;
  void find_folder();
  void check_byte_order();
  const Entry* find(const std::string& name) const;
  void read_entry(const std::string& name, const Entry& entry, char* destination);
  std::string read_text(const std::string& name, const Entry& entry, uint64_t longest);

  std::unique_ptr<zip_t, Discard> zip_;
  std::unordered_map<std::string, Entry> entries_;
  std::string folder_;
};

ZipArchive::ZipArchive(const std::string& path) : PyTorchArchive(path) {
  int code = 0;
  zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (zip_ == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    document_.fail("not a readable zip archive: " + reason);
  }
  list_entries(std::filesystem::file_size(path));
  find_folder();
  check_byte_order();
  const Entry* entry = find("data.pkl");
  const std::string bytes = read_text("data.pkl", *entry, pickle::kMaxPickleBytes);
  size_t position = 0;
  document_ = pickle::parse(bytes, position, path);
}

void ZipArchive::list_entries(uint64_t file_size) {
  const zip_int64_t count = zip_get_num_entries(zip_.get(), 0);
  if (count > kMaxEntries) {
    document_.fail("holds " + std::to_string(count) + " zip entries, expected at most " +
                   std::to_string(kMaxEntries));
  }
  const uint64_t most =
      std::min(kMaxTotalBytes, kMostUnpacked * std::min(file_size, kMaxTotalBytes) + kUnpackedAllowance);
  uint64_t total = 0;
  uint64_t packed = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(zip_.get(), i, ZIP_FL_ENC_RAW);
    zip_stat_t stat;
    if (name == nullptr || zip_stat_index(zip_.get(), i, 0, &stat) != 0) {
      document_.fail("zip entry " + std::to_string(i) + " cannot be read");
    }
    const Entry entry = check_entry(i, name);
    packed += stat.comp_size;
    total += entry.size;
    if (packed > file_size || total > most) {
      document_.fail("zip entries take more than the file's " + std::to_string(file_size) +
                     " bytes, or unpack to more than " + std::to_string(most));
    }
    if (!entries_.emplace(name, entry).second) {
      document_.fail("holds two zip entries '" + printable(name) + "', expected one");
    }
  }
}

Entry ZipArchive::check_entry(zip_uint64_t index, const std::string& name) const {
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  zip_stat_t stat;
  zip_stat_index(zip_.get(), index, 0, &stat);
  if ((stat.valid & kNeeded) != kNeeded || name.size() > 2 * pickle::kMaxNameLength) {
    document_.fail("zip entry '" + printable(name) + "' has no size");
  }
  const bool stored = stat.comp_method == ZIP_CM_STORE;
  const bool encrypted =
      (stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE;
  if ((!stored && stat.comp_method != ZIP_CM_DEFLATE) || encrypted) {
    document_.fail("zip entry '" + printable(name) + "' has compression method " +
                   std::to_string(stat.comp_method) + (encrypted ? " and is encrypted" : "") +
                   ", expected stored or deflated");
  }
  if (stored ? stat.size != stat.comp_size : stat.size / kMaxDeflateRatio > stat.comp_size) {
    document_.fail("zip entry '" + printable(name) + "' claims " + std::to_string(stat.size) +
                   " bytes from " + std::to_string(stat.comp_size));
  }
  return {index, stat.size};
}

void ZipArchive::find_folder() {
  const std::string suffix = "/data.pkl";
  for (const auto& [name, entry] : entries_) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos || slash == 0 || name.substr(slash) != suffix) {
      continue;
    }
    if (!folder_.empty()) {
      document_.fail("holds more than one NAME/data.pkl, expected one");
    }
    folder_ = name.substr(0, slash + 1);
  }
  if (folder_.empty()) {
    document_.fail("not a PyTorch file: a zip archive without NAME/data.pkl");
  }
}

void ZipArchive::check_byte_order() {
  if (const Entry* entry = find("byteorder")) {
    if (const std::string order = read_text("byteorder", *entry, /*longest=*/16); order != "little") {
      document_.fail("has byte order '" + printable(order) + "', expected 'little'");
    }
  }
  if (const Entry* entry = find("version")) {
    const std::string version = read_text("version", *entry, /*longest=*/16);
    if (version.empty() || version[0] < '1' || version[0] > '9') {
      document_.fail("PyTorch format version is '" + printable(version) + "', expected a number");
    }
  }
}

const Entry* ZipArchive::find(const std::string& name) const {
  const auto found = entries_.find(folder_ + name);
  return found == entries_.end() ? nullptr : &found->second;
}

void ZipArchive::read_entry(const std::string& name, const Entry& entry, char* destination) {
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(zip_.get(), entry.index, 0));
  uint64_t done = 0;
  zip_int64_t count = file == nullptr ? -1 : 1;
  while (count > 0 && done < entry.size) {
    count = zip_fread(file.get(), destination + done, entry.size - done);
    done += count > 0 ? count : 0;
  }
  // libzip compares the checksum when it meets the end.
  char beyond;
  if (count < 0 || done != entry.size || zip_fread(file.get(), &beyond, 1) != 0) {
    document_.fail("zip entry '" + printable(folder_ + name) + "' is damaged: " + std::to_string(done) +
                   " of " + std::to_string(entry.size) + " bytes read, or its checksum is wrong");
  }
}

std::string ZipArchive::read_text(const std::string& name, const Entry& entry, uint64_t longest) {
  if (entry.size > longest) {
    document_.fail("zip entry '" + printable(folder_ + name) + "' has " + std::to_string(entry.size) +
                   " bytes, expected at most " + std::to_string(longest));
  }
  std::string text(entry.size, '\0');
  read_entry(name, entry, text.data());
  return text;
}

void ZipArchive::check_size(const StorageRecord& storage, int64_t bytes) {
  const Entry* entry = find("data/" + storage.key);
  if (entry == nullptr || entry->size != static_cast<uint64_t>(bytes)) {
    document_.fail("storage '" + printable(storage.key) + "' has " +
                   (entry == nullptr ? "no zip entry" : std::to_string(entry->size) + " bytes") +
                   ", expected " + std::to_string(bytes) + " bytes");
  }
}

void ZipArchive::read_into(const StorageRecord& storage, char* destination, int64_t /*bytes*/) {
  const std::string name = "data/" + storage.key;
  read_entry(name, *find(name), destination);
}

}  // namespace

std::unique_ptr<PyTorchArchive> open_pytorch_zip(const std::string& path) {
  return std::make_unique<ZipArchive>(path);
}

}  // namespace bsq

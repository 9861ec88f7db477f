#include "bsq/data/cifar.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/data/cifar_python.h"
#include "bsq/data/class_names.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCifarSide = 32;
constexpr int64_t kImageBytes = 3 * kCifarSide * kCifarSide;
constexpr int64_t kMaxRecords = 1000000;

struct Format {
  const char* name;
  const char* subfolder;
  const char* python_subfolder;
  const char* python_sign;  // a file that the Python version has
  const char* expected;     // the files, for messages
  int64_t label_bytes;      // the last one is the label
  int64_t classes;
  int64_t record_bytes() const { return label_bytes + kImageBytes; }
};

constexpr Format kCifar10 = {"CIFAR-10",
                             "cifar-10-batches-bin",
                             "cifar-10-batches-py",
                             "test_batch",
                             "data_batch_1.bin and on, and test_batch.bin",
                             1,
                             10};
constexpr Format kCifar100 = {
    "CIFAR-100", "cifar-100-binary", "cifar-100-python", "meta", "train.bin and test.bin", 2, 100};

// N of data_batch_N with the suffix, or -1 for any other name.
int64_t batch_number(const std::string& name, const std::string& suffix) {
  const std::string prefix = "data_batch_";
  const size_t ends = prefix.size() + suffix.size();
  if (name.size() <= ends || name.size() > ends + 9 || name.compare(0, prefix.size(), prefix) != 0 ||
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) {
    return -1;
  }
  const std::string digits = name.substr(prefix.size(), name.size() - ends);
  const bool number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? std::stoll(digits) : -1;
}

std::vector<fs::path> training_batches(const fs::path& folder, const std::string& suffix) {
  std::vector<std::pair<int64_t, fs::path>> numbered;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const int64_t number = batch_number(entry.path().filename().string(), suffix);
    if (number >= 0) {
      numbered.emplace_back(number, entry.path());
    }
  }
  std::sort(numbered.begin(), numbered.end());
  for (size_t i = 0; i < numbered.size(); ++i) {
    const auto number = static_cast<int64_t>(i) + 1;
    if (numbered[i].first > number) {
      throw Error((folder / ("data_batch_" + std::to_string(number) + suffix)).string() + ": missing, but " +
                  numbered[i].second.filename().string() + " is there; expected the batches from 1 on");
    }
  }
  std::vector<fs::path> files;
  for (const auto& [number, file] : numbered) {
    files.push_back(file);
  }
  return files;
}

// The names that the folder's own list has, else the usual ones.
std::vector<std::string> names_in(const fs::path& list, std::vector<std::string> usual) {
  std::ifstream in(list);
  std::vector<std::string> names;
  for (std::string line; names.size() <= usual.size() && std::getline(in, line);) {
    line.erase(line.find_last_not_of(" \r") + 1);
    if (!line.empty()) {
      names.push_back(line);
    }
  }
  return names.size() == usual.size() ? names : usual;
}

fs::path find_folder(const Format& format, const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(folder + ": no such folder, expected one with the " + format.name + " binary files (" +
                format.expected + ")");
  }
  const fs::path inner = fs::path(folder) / format.subfolder;
  return fs::is_directory(inner) ? inner : fs::path(folder);
}

int64_t count_records(const Format& format, const fs::path& file) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  if (error || !fs::is_regular_file(file)) {
    throw Error(file.string() + ": no such file, expected the " + format.name + " binary files (" +
                format.expected + ")");
  }
  const auto record = static_cast<uintmax_t>(format.record_bytes());
  if (bytes > record * kMaxRecords) {
    throw Error(file.string() + ": " + std::to_string(bytes) + " bytes, expected at most " +
                std::to_string(kMaxRecords) + " records of " + std::to_string(record) + " bytes");
  }
  if (bytes == 0 || bytes % record != 0) {
    throw Error(file.string() + ": record " + std::to_string(bytes / record) + " is incomplete, found " +
                std::to_string(bytes % record) + " of the expected " + std::to_string(record) + " bytes");
  }
  return static_cast<int64_t>(bytes / record);
}

int64_t checked_label(const Format& format, const fs::path& file, int64_t record, uint8_t label) {
  if (label >= format.classes) {
    throw Error(file.string() + ": record " + std::to_string(record) + " has label " + std::to_string(label) +
                ", expected 0 to " + std::to_string(format.classes - 1));
  }
  return label;
}

void read_records(const Format& format, const fs::path& file, int64_t count, uint8_t* images,
                  int64_t* labels) {
  std::ifstream in(file, std::ios::binary);
  std::array<uint8_t, 2> label{};
  for (int64_t record = 0; record < count; ++record) {
    in.read(reinterpret_cast<char*>(label.data()), format.label_bytes);
    in.read(reinterpret_cast<char*>(images + record * kImageBytes), kImageBytes);
    if (!in) {
      throw Error(file.string() + ": record " + std::to_string(record) + " cannot be read, expected " +
                  std::to_string(format.record_bytes()) + " bytes");
    }
    labels[record] = checked_label(format, file, record, label[static_cast<size_t>(format.label_bytes - 1)]);
  }
}

ImageDataset read_files(const Format& format, const std::vector<fs::path>& files) {
  std::vector<int64_t> counts;
  for (const auto& file : files) {
    counts.push_back(count_records(format, file));
  }
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  ImageDataset data{torch::empty({total, 3, kCifarSide, kCifarSide}, torch::kUInt8),
                    torch::empty({total}, torch::kInt64), format.classes};
  int64_t first = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    read_records(format, files[i], counts[i], data.images.data_ptr<uint8_t>() + first * kImageBytes,
                 data.labels.data_ptr<int64_t>() + first);
    first += counts[i];
  }
  return data;
}

// The folder of the Python version, where there is one and none of the binary version.
std::optional<fs::path> python_folder(const Format& format, const std::string& folder) {
  const fs::path root = folder;
  const bool is_binary = fs::is_directory(root / format.subfolder) || fs::exists(root / "test_batch.bin") ||
                         fs::exists(root / "test.bin");
  for (const auto& place : {root / format.python_subfolder, root}) {
    if (!is_binary && fs::is_regular_file(place / format.python_sign)) {
      return place;
    }
  }
  return std::nullopt;
}

ImageDataset read_python(const std::vector<fs::path>& files, const char* label_key, int64_t classes) {
  std::vector<torch::Tensor> images;
  std::vector<int64_t> labels;
  for (const auto& file : files) {
    auto batch = read_cifar_batch(file.string(), label_key, classes);
    const auto count = static_cast<int64_t>(batch.labels.size());
    images.push_back(
        torch::from_blob(batch.pixels.data(), {count, 3, kCifarSide, kCifarSide}, torch::kUInt8).clone());
    labels.insert(labels.end(), batch.labels.begin(), batch.labels.end());
  }
  return {torch::cat(images), torch::tensor(labels, torch::kInt64), classes};
}

std::vector<std::string> python_names(const fs::path& file, const char* key,
                                      const std::vector<std::string>& usual) {
  if (!fs::exists(file)) {
    return usual;
  }
  const auto names = read_cifar_names(file.string(), key);
  if (names.size() != usual.size()) {
    throw Error(file.string() + ": " + std::to_string(names.size()) + " class names, expected " +
                std::to_string(usual.size()));
  }
  return names;
}

DatasetSplits load_python10(const fs::path& folder) {
  const auto batches = training_batches(folder, "");
  if (batches.empty()) {
    throw Error(folder.string() +
                ": no training batches, expected data_batch_1 and on, of the Python version");
  }
  DatasetSplits splits;
  splits.train = read_python(batches, "labels", kCifar10.classes);
  splits.test = read_python({folder / "test_batch"}, "labels", kCifar10.classes);
  splits.class_names = python_names(folder / "batches.meta", "label_names", cifar10_class_names());
  return splits;
}

DatasetSplits load_python100(const fs::path& folder) {
  DatasetSplits splits;
  splits.train = read_python({folder / "train"}, "fine_labels", kCifar100.classes);
  splits.test = read_python({folder / "test"}, "fine_labels", kCifar100.classes);
  splits.class_names = python_names(folder / "meta", "fine_label_names", cifar100_class_names());
  return splits;
}

}  // namespace

DatasetSplits load_cifar10(const std::string& folder) {
  if (const auto python = python_folder(kCifar10, folder)) {
    return load_python10(*python);
  }
  const fs::path found = find_folder(kCifar10, folder);
  const auto batches = training_batches(found, ".bin");
  if (batches.empty()) {
    throw Error(found.string() + ": no training batches, expected the CIFAR-10 binary files (" +
                kCifar10.expected + "), or those of the Python version");
  }
  DatasetSplits splits;
  splits.train = read_files(kCifar10, batches);
  splits.test = read_files(kCifar10, {found / "test_batch.bin"});
  splits.class_names = names_in(found / "batches.meta.txt", cifar10_class_names());
  return splits;
}

DatasetSplits load_cifar100(const std::string& folder) {
  if (const auto python = python_folder(kCifar100, folder)) {
    return load_python100(*python);
  }
  const fs::path found = find_folder(kCifar100, folder);
  DatasetSplits splits;
  splits.train = read_files(kCifar100, {found / "train.bin"});
  splits.test = read_files(kCifar100, {found / "test.bin"});
  splits.class_names = names_in(found / "fine_label_names.txt", cifar100_class_names());
  return splits;
}

}  // namespace bsq

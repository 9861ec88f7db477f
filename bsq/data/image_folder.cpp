#include "bsq/data/image_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/base/parallel.h"
#include "bsq/data/image_file.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{64} << 30;

struct LabelledFile {
  std::string path;
  int64_t label;
};

std::vector<std::string> class_names(const fs::path& split) {
  if (!fs::is_directory(split)) {
    throw Error(split.string() + ": no such folder, expected one folder of images a class in it");
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(split)) {
    if (entry.is_directory() && entry.path().filename().string().front() != '.') {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    throw Error(split.string() + ": no classes, expected one folder of images a class in it");
  }
  return names;
}

// Both lists are sorted, so the first difference names a class that one of the splits lacks.
void check_same_classes(const fs::path& train, const std::vector<std::string>& train_names,
                        const fs::path& test, const std::vector<std::string>& test_names) {
  const auto [a, b] =
      std::mismatch(train_names.begin(), train_names.end(), test_names.begin(), test_names.end());
  if (a == train_names.end() && b == test_names.end()) {
    return;
  }
  const bool only_in_train = a != train_names.end() && (b == test_names.end() || *a < *b);
  throw Error((only_in_train ? test / *a : train / *b).string() +
              ": no such folder, expected the same classes in " + train.string() + " and " + test.string());
}

std::string lower_extension(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_image(const std::string& extension) {
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

// What a split has beside its images, by extension.
using LeftOut = std::map<std::string, int64_t>;
constexpr const char* kUnreadable = "that cannot be opened";

// The files of a class, in its subfolders too, in the order that torchvision's ImageFolder has: folder by
// folder, sorted by path, and within each by name. Links are followed, but not in circles.
class ClassWalk {
 public:
  ClassWalk(int64_t label, LeftOut& left_out) : label_(label), left_out_(left_out) {}

  std::vector<LabelledFile> walk(const fs::path& folder) {
    find_folders(folder);
    std::sort(folders_.begin(), folders_.end());
    std::vector<LabelledFile> files;
    for (const auto& one : folders_) {
      take_files(one, files);
    }
    return files;
  }

 private:
  void find_folders(const fs::path& folder) {
    std::error_code error;
    const auto place = fs::canonical(folder, error);
    if (error || !above_.insert(place.string()).second) {
      return;  // a link to a folder that it lies in
    }
    folders_.push_back(folder.string());
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_directory(error)) {
        find_folders(entry.path());
      }
    }
    above_.erase(place.string());
  }

  void take_files(const std::string& folder, std::vector<LabelledFile>& files) {
    const size_t first = files.size();
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::error_code error;
      if (entry.is_directory(error)) {
        continue;
      }
      const auto extension = lower_extension(entry.path());
      if (!entry.is_regular_file(error) || ::access(entry.path().c_str(), R_OK) != 0) {
        ++left_out_[kUnreadable];
      } else if (!is_image(extension)) {
        ++left_out_[extension.empty() ? "without an extension" : extension];
      } else {
        files.push_back({entry.path().string(), label_});
      }
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
              [](const LabelledFile& a, const LabelledFile& b) { return a.path < b.path; });
  }

  int64_t label_;
  LeftOut& left_out_;
  std::vector<std::string> folders_;
  std::set<std::string> above_;
};

std::vector<LabelledFile> files_of_class(const fs::path& folder, int64_t label, LeftOut& left_out) {
  auto files = ClassWalk(label, left_out).walk(folder);
  if (files.empty()) {
    throw Error(folder.string() + ": no images, expected *.jpg, *.jpeg or *.png files");
  }
  return files;
}

// "FOLDER: 5 files are left out: 3 .bmp, 1 .webp, 1 that cannot be opened".
void note_left_out(const fs::path& split, const LeftOut& left_out, std::vector<std::string>& notes) {
  int64_t count = 0;
  std::string kinds;
  for (const auto& [kind, files] : left_out) {
    count += files;
    kinds += (kinds.empty() ? "" : ", ") + std::to_string(files) + " " + kind;
  }
  if (count > 0) {
    notes.push_back(split.string() + ": " + std::to_string(count) +
                    (count == 1 ? " file is left out: " : " files are left out: ") + kinds);
  }
}

std::vector<LabelledFile> files_of_split(const fs::path& split, const std::vector<std::string>& names,
                                         std::vector<std::string>& notes) {
  std::vector<LabelledFile> files;
  LeftOut left_out;
  for (size_t label = 0; label < names.size(); ++label) {
    const auto more = files_of_class(split / names[label], static_cast<int64_t>(label), left_out);
    files.insert(files.end(), more.begin(), more.end());
  }
  note_left_out(split, left_out, notes);
  return files;
}

ImageDataset decode(const fs::path& split, const std::vector<LabelledFile>& files, ImageSize size,
                    int64_t classes) {
  const auto count = static_cast<int64_t>(files.size());
  const int64_t image_bytes = 3 * size.height * size.width;
  if (count > kMaxBytes / image_bytes) {
    throw Error(split.string() + ": " + std::to_string(count) + " images of " + std::to_string(image_bytes) +
                " bytes, expected at most " + std::to_string(kMaxBytes) + " bytes together");
  }
  ImageDataset data{torch::empty({count, 3, size.height, size.width}, torch::kUInt8),
                    torch::empty({count}, torch::kInt64), classes};
  uint8_t* const images = data.images.data_ptr<uint8_t>();
  int64_t* const labels = data.labels.data_ptr<int64_t>();
  parallel_for(0, count, /*grain_size=*/16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const LabelledFile& file = files[static_cast<size_t>(i)];
      decode_image(file.path, size, images + i * image_bytes);
      labels[i] = file.label;
    }
  });
  return data;
}

}  // namespace

DatasetSplits load_image_folder(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(folder + ": no such folder, expected one with train/CLASS/ and test/CLASS/ (or val/CLASS/)");
  }
  const fs::path train = fs::path(folder) / "train";
  const bool val = !fs::is_directory(fs::path(folder) / "test") && fs::is_directory(fs::path(folder) / "val");
  const fs::path test = fs::path(folder) / (val ? "val" : "test");
  const auto names = class_names(train);
  check_same_classes(train, names, test, class_names(test));
  DatasetSplits splits;
  const auto train_files = files_of_split(train, names, splits.notes);
  const auto test_files = files_of_split(test, names, splits.notes);
  const ImageSize size = image_size(train_files.front().path);
  const auto classes = static_cast<int64_t>(names.size());
  splits.class_names = names;
  splits.train = decode(train, train_files, size, classes);
  splits.test = decode(test, test_files, size, classes);
  return splits;
}

}  // namespace bsq

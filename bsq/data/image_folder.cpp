#include "bsq/data/image_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
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

// Files that take part in a split, and what is wrong with the others.
struct Decoded {
  std::vector<std::string> faults;  ///< of each file; "": none
  ImageDataset data;
};

// The size of the first image that is not damaged.
ImageSize common_size(const std::vector<LabelledFile>& files, bool is_strict) {
  for (size_t i = 0; i + 1 < files.size() && !is_strict; ++i) {
    try {
      return image_size(files[i].path);
    } catch (const Error&) {
      continue;  // decode() names it
    }
  }
  return image_size(is_strict ? files.front().path : files.back().path);
}

// "" or what is wrong. Another size is no damage.
std::string decode_one(const std::string& path, ImageSize size, bool is_strict, uint8_t* planes) {
  std::optional<ImageFile> image;
  try {
    image.emplace(path);
    if (image->size() == size) {
      write_planes(image->decode(), planes);
    }
  } catch (const Error& error) {
    if (is_strict) {
      throw;
    }
    return error.what();
  }
  image->expect_size(size);
  return "";
}

Decoded decode(const fs::path& split, const std::vector<LabelledFile>& files, ImageSize size, int64_t classes,
               bool is_strict) {
  const auto count = static_cast<int64_t>(files.size());
  const int64_t image_bytes = 3 * size.height * size.width;
  if (count > kMaxBytes / image_bytes) {
    throw Error(split.string() + ": " + std::to_string(count) + " images of " + std::to_string(image_bytes) +
                " bytes, expected at most " + std::to_string(kMaxBytes) +
                " bytes together; with --image-size they stay in their files");
  }
  Decoded result{std::vector<std::string>(files.size()),
                 {torch::empty({count, 3, size.height, size.width}, torch::kUInt8),
                  torch::empty({count}, torch::kInt64), classes}};
  uint8_t* const images = result.data.images.data_ptr<uint8_t>();
  int64_t* const labels = result.data.labels.data_ptr<int64_t>();
  parallel_for(0, count, /*grain_size=*/16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const LabelledFile& file = files[static_cast<size_t>(i)];
      result.faults[static_cast<size_t>(i)] =
          decode_one(file.path, size, is_strict, images + i * image_bytes);
      labels[i] = file.label;
    }
  });
  return result;
}

constexpr size_t kMostNamed = 10;

// Names the damaged files and gives the data without them.
ImageDataset without_damage(const fs::path& split, Decoded decoded, std::vector<std::string>& notes) {
  std::vector<int64_t> kept;
  size_t damaged = 0;
  for (size_t i = 0; i < decoded.faults.size(); ++i) {
    if (decoded.faults[i].empty()) {
      kept.push_back(static_cast<int64_t>(i));
    } else if (damaged++ < kMostNamed) {
      notes.push_back("left out: " + decoded.faults[i]);
    }
  }
  if (damaged == 0) {
    return decoded.data;
  }
  if (kept.empty()) {
    throw Error(split.string() + ": all images are damaged; the first one: " + decoded.faults.front());
  }
  notes.push_back(split.string() + ": " + std::to_string(damaged) + " damaged " +
                  (damaged == 1 ? "image is" : "images are") + " left out; --strict makes that an error");
  return decoded.data.subset(torch::tensor(kept, torch::kInt64));
}

/// The files of both splits.
struct Folder {
  fs::path train, test;
  std::vector<std::string> class_names;
  std::vector<LabelledFile> train_files, test_files;
};

Folder find_files(const std::string& folder, std::vector<std::string>& notes) {
  if (!fs::is_directory(folder)) {
    throw Error(folder + ": no such folder, expected one with train/CLASS/ and test/CLASS/ (or val/CLASS/)");
  }
  Folder found;
  found.train = fs::path(folder) / "train";
  const bool val = !fs::is_directory(fs::path(folder) / "test") && fs::is_directory(fs::path(folder) / "val");
  found.test = fs::path(folder) / (val ? "val" : "test");
  found.class_names = class_names(found.train);
  check_same_classes(found.train, found.class_names, found.test, class_names(found.test));
  found.train_files = files_of_split(found.train, found.class_names, notes);
  found.test_files = files_of_split(found.test, found.class_names, notes);
  return found;
}

// Images that stay in their files.
ImageDataset data_in_files(const std::vector<LabelledFile>& files, const FolderOptions& options,
                           int64_t classes) {
  std::vector<std::string> paths;
  std::vector<int64_t> labels;
  for (const auto& file : files) {
    paths.push_back(file.path);
    labels.push_back(file.label);
  }
  const int64_t side = options.image_size;
  const int64_t resize = options.resize == 0 ? usual_resize(side) : options.resize;
  ImageDataset data;
  data.files =
      std::make_shared<FileImages>(std::move(paths), ImageSize{side, side}, resize, options.is_strict);
  data.labels = torch::tensor(labels, torch::kInt64);
  data.rows = torch::arange(static_cast<int64_t>(labels.size()), torch::kInt64);
  data.classes = classes;
  return data;
}

}  // namespace

int64_t usual_resize(int64_t image_size) { return std::llround(static_cast<double>(image_size) * 8 / 7); }

DatasetSplits load_image_folder(const std::string& folder, const FolderOptions& options) {
  DatasetSplits splits;
  const auto found = find_files(folder, splits.notes);
  const auto classes = static_cast<int64_t>(found.class_names.size());
  splits.class_names = found.class_names;
  if (options.image_size > 0) {
    splits.train = data_in_files(found.train_files, options, classes);
    splits.test = data_in_files(found.test_files, options, classes);
    return splits;
  }
  const ImageSize size = common_size(found.train_files, options.is_strict);
  const auto load = [&](const fs::path& split, const std::vector<LabelledFile>& files) {
    return without_damage(split, decode(split, files, size, classes, options.is_strict), splits.notes);
  };
  splits.train = load(found.train, found.train_files);
  splits.test = load(found.test, found.test_files);
  return splits;
}

}  // namespace bsq

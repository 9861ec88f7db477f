#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "bsq/data/image_file.h"
#include "bsq/data/random.h"

namespace bsq {

/// The part of a picture that RandomResizedCrop of torchvision takes: 8 to 100 % of its pixels, 3:4 to 4:3 in
/// shape, each logarithm of a shape equally likely; where ten draws do not fit, the middle.
Box random_crop(ImageSize picture, Random& random);
/// The part that remains where the shorter side becomes `resize` pixels and the middle of `size` is kept.
Box center_crop(ImageSize picture, int64_t resize, ImageSize size);

/// Pictures of any size in files, which become images of one size when they are asked for. Safe to use from
/// several threads at once.
class FileImages {
 public:
  /// `resize`: pixels of the shorter side before the middle is cut out, at least those of `size`.
  /// `is_strict`: a damaged file is an error. Throws std::invalid_argument for sizes out of range.
  FileImages(std::vector<std::string> paths, ImageSize size, int64_t resize, bool is_strict);

  const std::vector<std::string>& paths() const { return paths_; }
  ImageSize size() const { return size_; }

  /// Writes the image of a file as three planes: a random part where there is a generator, else the middle.
  /// False for a damaged file, which is remembered. Throws bsq::Error for one if strict.
  bool decode(int64_t file, Random* random, uint8_t* planes) const;

  /// What is wrong with the damaged files that decode() met since the last call, a line each that names the
  /// file, and how many there were in all.
  std::vector<std::string> take_damage() const;

 private:
  std::vector<std::string> paths_;
  ImageSize size_;
  int64_t resize_;
  bool is_strict_;
  mutable std::mutex mutex_;  // guards the rest
  mutable std::map<int64_t, std::string> damage_;
  mutable std::vector<int64_t> untold_;
};

}  // namespace bsq

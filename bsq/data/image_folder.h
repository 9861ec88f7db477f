#pragma once

#include <string>

#include "bsq/data/dataset.h"

namespace bsq {

struct FolderOptions {
  /// 0: all images have one size; they are decoded now, on all of libtorch's threads, and kept in memory.
  /// Else they have any size and are decoded when a batch is made, to squares of this side.
  int64_t image_size = 0;
  int64_t resize = 0;      ///< of the shorter side before the middle is cut out; 0: image_size * 8 / 7
  bool is_strict = false;  ///< a damaged image is an error; else it is left out, and a note names it
};

/// To how many pixels the shorter side of a picture is resized before its middle of this side is cut out: 8/7
/// of it, 256 for 224.
int64_t usual_resize(int64_t image_size);

/// A folder of images: FOLDER/train/CLASS/* and FOLDER/test/CLASS/* (or val instead of test) and their
/// subfolders, *.jpg, *.jpeg or *.png in either case. Other files and those that cannot be opened are left
/// out, and a note counts them. The classes are the sorted folder names and must be the same in both splits;
/// the images of a class are in the order of torchvision's ImageFolder. Throws bsq::Error, naming the file or
/// folder, for anything else, and for more than 64 GiB of pixels in memory; std::invalid_argument for sizes
/// out of range.
DatasetSplits load_image_folder(const std::string& folder, const FolderOptions& options = {});

}  // namespace bsq

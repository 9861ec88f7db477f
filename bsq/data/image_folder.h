#pragma once

#include <string>

#include "bsq/data/dataset.h"

namespace bsq {

/// A folder of images: FOLDER/train/CLASS/* and FOLDER/test/CLASS/* (or val instead of test) and their
/// subfolders,
/// *.jpg, *.jpeg or *.png in either case. Other files and those that cannot be opened are left out, and a
/// note counts them. The classes are the sorted folder names and must be the same in both splits; the images
/// of a class are in the order of torchvision's ImageFolder. All images must have one size. Decodes on all of
/// libtorch's threads. Throws bsq::Error, naming the file or folder, for anything else, and for more than 64
/// GiB of pixels.
DatasetSplits load_image_folder(const std::string& folder);

}  // namespace bsq

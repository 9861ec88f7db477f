#pragma once

#include <string>

#include "bsq/data/dataset.h"

namespace bsq {

// Both data sets have a binary and a Python version; the binary one is taken where a folder has both.

/// CIFAR-10's binary version: `folder`, or its subfolder cifar-10-batches-bin, holds data_batch_1.bin and on
/// (one or more, numbered from 1 on without a gap) and test_batch.bin. Class names come from
/// batches.meta.txt, else they are the usual ones. A record is a label byte (0 to 9) and 3072 bytes: red,
/// green, blue, each 32 rows of 32. A file holds 1 to 1,000,000 records. The Python version: `folder`, or its
/// subfolder cifar-10-batches-py, holds data_batch_1 and on, test_batch and batches.meta
/// (bsq/data/cifar_python.h). Throws bsq::Error for anything else.
DatasetSplits load_cifar10(const std::string& folder);

/// CIFAR-100's binary version: `folder`, or its subfolder cifar-100-binary, holds train.bin and test.bin,
/// class names in fine_label_names.txt. A record has two label bytes, coarse (0 to 19) and fine (0 to 99);
/// the fine one is used. The Python version: `folder`, or its subfolder cifar-100-python, holds train, test
/// and meta. Throws as load_cifar10 does.
DatasetSplits load_cifar100(const std::string& folder);

}  // namespace bsq

#pragma once

#include <string>

namespace bsq::test {

constexpr int kTinyTraining = 200;
constexpr int kTinyTest = 100;

/// Writes data_batch_1.bin and test_batch.bin of CIFAR-10's binary format: noise with a blob whose colour and
/// place tell the class.
void write_tiny_cifar10(const std::string& folder);
/// The same with CIFAR-100's names, two label bytes and 100 classes.
void write_tiny_cifar100(const std::string& folder);

}  // namespace bsq::test

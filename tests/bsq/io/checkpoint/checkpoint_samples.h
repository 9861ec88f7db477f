#pragma once

#include <cstdint>

#include "bsq/io/checkpoint/checkpoint.h"

namespace bsq::test {

/// A few tensors of every encoding, grid and type, in no alphabetical order, and a training state whose
/// network is in mid-training and whose method has a state of its own.
Checkpoint small_checkpoint();

/// A frozen network in float64 with a 0-bit layer, without a training state.
Checkpoint frozen_checkpoint();

/// The tensors of a ResNet-20 for CIFAR-10 with 3-bit digits, and the bytes of their packed digits and float
/// tensors.
Checkpoint resnet20_checkpoint();
int64_t payload_bytes(const NetworkState& network);

/// Fails the test where two checkpoints differ in anything, a NaN being like a NaN.
void expect_same(const Checkpoint& a, const Checkpoint& b);

}  // namespace bsq::test

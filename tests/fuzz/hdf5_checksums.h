#pragma once

#include <cstddef>
#include <cstdint>

namespace bsq::fuzz {

/// Makes the checksums of an HDF5 file's superblock and object headers (HDF5 1.8 format, no user block) right
/// again after its bytes have been changed, so that what follows the checks is tried too.
void repair_hdf5_checksums(uint8_t* data, size_t bytes);

}  // namespace bsq::fuzz

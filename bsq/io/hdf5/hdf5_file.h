#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq {

constexpr int64_t kMaxGroupMembers = 100'000;
constexpr int64_t kMaxNameBytes = 1024;

/// What is wrong with the name of a dataset or group, "" if nothing: 1 to 1024 printable ASCII characters, no
/// '/', not ".".
std::string name_fault(const std::string& name);

/// Makes an HDF5 file in memory, in the compact and checksummed format of HDF5 1.8, the same from every
/// release of the library, with room for a seal (bsq/io/seal.h) in front. `path` is where it is going to be.
/// (HDF5 crashes at exit after a write to disk that failed.)
Hdf5Handle create_hdf5_image(const std::string& path);

/// Seals what create_hdf5_image made and writes it to `path`, as a whole or not at all (write_atomically),
/// once it has been read back and found whole; the file that was there keeps the name `previous` unless that
/// is "". Throws bsq::Error.
void save_hdf5_image(const Hdf5Handle& image, const std::string& path, const std::string& previous = "");

/// Opens a regular file to read. Throws bsq::Error.
Hdf5Handle open_hdf5_file(const std::string& path);

/// Makes a group that keeps its members in the order in which they are made, and that is small for members
/// with these names. Throws std::invalid_argument for a name that name_fault faults, or one that occurs
/// twice.
Hdf5Handle create_group(const Hdf5Handle& parent, const std::string& name,
                        const std::vector<std::string>& members);

/// Whether there is a member, or a link of any kind, of that name.
bool has_member(const Hdf5Handle& parent, const std::string& name);

/// Opens a member that is held by a hard link, so that nothing leads out of the file. Throws bsq::Error.
Hdf5Handle open_group(const Hdf5Handle& parent, const std::string& name);
Hdf5Handle open_dataset(const Hdf5Handle& parent, const std::string& name);

/// The names of a group's members in the order in which they were made. Throws bsq::Error if there are more
/// than 100,000, names that name_fault faults or that occur twice, links that are not hard, or if the group
/// has not kept the order.
std::vector<std::string> member_names(const Hdf5Handle& group);

}  // namespace bsq

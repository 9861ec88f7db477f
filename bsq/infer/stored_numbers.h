#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq::infer {

// Numbers of HDF5 attributes and datasets, without libtorch. All of it throws bsq::Error that names the
// object, for another type, for more than one dimension or 8000 numbers (attributes), for data that are not
// in the file as one plain piece (datasets), and for numbers that are not finite where it says so.

std::vector<int64_t> read_integers(const Hdf5Handle& object, const std::string& name);
/// Float32 or float64, finite in float32.
std::vector<float> read_reals(const Hdf5Handle& object, const std::string& name);
/// Float32 or float64, of any value.
std::vector<double> read_doubles(const Hdf5Handle& object, const std::string& name);

/// At most 8 dimensions and 4 GiB; the sizes of the data are those that the shape asks for.
std::vector<int64_t> dataset_shape(const Hdf5Handle& dataset);
/// A dataset of any type of number, as float32, finite. dataset_shape() has to come first.
std::vector<float> read_floats(const Hdf5Handle& dataset);
/// A uint8 dataset of one dimension and so many bytes.
std::vector<uint8_t> read_bytes(const Hdf5Handle& dataset, int64_t bytes);

}  // namespace bsq::infer

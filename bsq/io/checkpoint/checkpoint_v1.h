#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq {

/// The root attributes of a file of version 1 that version 2 has in another form: architecture, its options,
/// activations; the method. Throws bsq::Error.
void read_root_v1(const Hdf5Handle& file, Checkpoint& checkpoint);

/// Brings what was read from a file of version 1 into the form of version 2: scales of frozen tensors become
/// entries, kinds of weights get their names, momentum buffers those of the registered tensors. Tensors
/// without a digit have 0 bits. The only place that knows version 1.
void upgrade_v1(Checkpoint& checkpoint);

}  // namespace bsq

#pragma once

#include <cstdint>

#include "bsq/data/picture.h"

namespace bsq {

/// Resamples the box `from` of a picture to an image of `size`, as three planes of `size` in `planes`: a
/// triangle filter as wide as the box is reduced, so that nothing aliases (what PIL and torchvision call
/// bilinear). `from` is in pixels of the whole picture at its file's scale. The filter looks at what lies
/// around the box, as far as the picture has it; `is_cut`: at nothing outside of it, as where the box is cut
/// out first. The same numbers as PIL's but for rounding: it differs by at most 1.
void resample(const Picture& picture, const Box& from, bool is_cut, ImageSize size, uint8_t* planes);

}  // namespace bsq

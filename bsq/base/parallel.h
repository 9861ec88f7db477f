#pragma once

#include <cstdint>
#include <functional>

namespace bsq {

/// Calls work(first, last) for parts of [begin, end) of at least `grain` each, on libtorch's own threads, as
/// many as at::get_num_threads() says; serially inside another parallel region. What a part throws is thrown
/// here.
///
/// at::parallel_for is a template that is serial where OpenMP is off; this is it, compiled with OpenMP once.
void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t first, int64_t last)>& work);

}  // namespace bsq

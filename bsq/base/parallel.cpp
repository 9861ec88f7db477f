#include "bsq/base/parallel.h"

#include <ATen/Parallel.h>

#if !defined(_OPENMP) && !defined(BSQ_SERIAL)
#error "compile this file with OpenMP: at::parallel_for would be serial"
#endif

namespace bsq {

void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t first, int64_t last)>& work) {
  at::parallel_for(begin, end, grain, work);
}

}  // namespace bsq

#include "tools/cli/memory.h"

#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <torch/types.h>

#include <new>
#include <string>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

// libtorch has no type of its own for it: these are the words of its allocators for CPU and CUDA.
bool is_memory_error(const std::string& what) {
  for (const char* words : {"can't allocate memory", "not enough memory", "out of memory"}) {
    if (what.find(words) != std::string::npos) {
      return true;
    }
  }
  return false;
}

[[noreturn]] void fail(const DataFlags& flags) {
  throw Error("out of memory; batches have " + std::to_string(flags.train_batch) + " (training) and " +
              std::to_string(flags.test_batch) +
              " (test) images; smaller --batch-size and --test-batch need less");
}

// OpenBLAS takes a buffer at its first product and keeps it. Where it gets none it tries again for ever. So
// it takes it first, while there is memory. Throws std::bad_alloc where there is none.
void take_blas_buffer() {
  constexpr size_t kRoom = size_t{256} << 20;  // the buffer has 160 MB on x86
  void* const room = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    throw std::bad_alloc();
  }
  munmap(room, kRoom);
  constexpr int64_t kSide = 128;  // small matrices take other ways
  const auto ones = torch::ones({kSide, kSide});
  ones.mm(ones);
}

}  // namespace

int with_memory_errors(const DataFlags& flags, const std::function<int()>& work) {
  try {
    take_blas_buffer();
    return work();
  } catch (const std::bad_alloc&) {
    fail(flags);
  } catch (const c10::Error& error) {
    if (is_memory_error(error.what_without_backtrace())) {
      fail(flags);
    }
    throw;
  }
}

}  // namespace bsq::cli

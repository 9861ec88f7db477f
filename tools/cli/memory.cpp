#include "tools/cli/memory.h"

#include <c10/util/Exception.h>

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

}  // namespace

int with_memory_errors(const DataFlags& flags, const std::function<int()>& work) {
  try {
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

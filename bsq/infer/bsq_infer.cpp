#include "bsq/infer/bsq_infer.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "bsq/infer/engine.h"

struct bsq_model {
  explicit bsq_model(const char* path) : engine(path) {}
  bsq::infer::Engine engine;
};

namespace {

void tell(const char* text, char* message, size_t bytes) {
  if (message == nullptr || bytes == 0) {
    return;
  }
  const size_t length = std::min(std::strlen(text), bytes - 1);
  std::memcpy(message, text, length);
  message[length] = '\0';
}

// Nothing that is thrown gets into C.
template <typename Work>
bool attempt(const Work& work, char* message, size_t bytes) {
  try {
    work();
    return true;
  } catch (const std::bad_alloc&) {
    tell("not enough memory", message, bytes);
  } catch (const std::exception& error) {
    tell(error.what(), message, bytes);
  } catch (...) {
    tell("an unknown error", message, bytes);
  }
  return false;
}

template <typename Pixel>
int run(const bsq_model* model, const Pixel* images, int64_t count, float* logits, int threads, char* message,
        size_t bytes) {
  const auto work = [&] {
    if (model == nullptr || (count > 0 && (images == nullptr || logits == nullptr))) {
      throw std::invalid_argument("a null pointer; expected a model, images and room for logits");
    }
    model->engine.run(images, count, logits, threads);
  };
  return attempt(work, message, bytes) ? 0 : -1;
}

}  // namespace

extern "C" {

bsq_model* bsq_load(const char* path, char* message, size_t bytes) {
  bsq_model* model = nullptr;
  const auto work = [&] {
    if (path == nullptr) {
      throw std::invalid_argument("a null pointer; expected the path of a file");
    }
    model = new bsq_model(path);
  };
  attempt(work, message, bytes);
  return model;
}

void bsq_free(bsq_model* model) { delete model; }

int64_t bsq_channels(const bsq_model* model) { return model->engine.channels(); }
int64_t bsq_height(const bsq_model* model) { return model->engine.height(); }
int64_t bsq_width(const bsq_model* model) { return model->engine.width(); }
int64_t bsq_classes(const bsq_model* model) { return model->engine.classes(); }

const char* bsq_class_name(const bsq_model* model, int64_t index) {
  const auto& names = model->engine.about().class_names;
  const bool is_known = index >= 0 && index < static_cast<int64_t>(names.size());
  return is_known ? names[static_cast<size_t>(index)].c_str() : "";
}

int bsq_run(const bsq_model* model, const uint8_t* images, int64_t count, float* logits, int threads,
            char* message, size_t bytes) {
  return run(model, images, count, logits, threads, message, bytes);
}

int bsq_run_normalized(const bsq_model* model, const float* images, int64_t count, float* logits, int threads,
                       char* message, size_t bytes) {
  return run(model, images, count, logits, threads, message, bytes);
}

}  // extern "C"

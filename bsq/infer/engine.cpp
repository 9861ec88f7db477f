#include "bsq/infer/engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <limits>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/infer/graph.h"
#include "bsq/infer/packed_layer.h"
#include "bsq/infer/parallel.h"

namespace bsq::infer {
namespace {

/// Where a value lies in memory: pixel by pixel, channels together, with a border of zeros.
struct Layout {
  int64_t channels = 0;         ///< in memory
  int64_t border = 0, row = 0;  ///< pixels around; numbers from one row to the next
  int64_t numbers = 0;

  int64_t at(int64_t y, int64_t x) const { return (y + border) * row + (x + border) * channels; }
};

Layout layout_of(const Plan& plan, int value) {
  const auto& of = plan.values[static_cast<size_t>(value)];
  Layout layout;
  layout.channels = channels_in_memory(plan, value);
  layout.border = of.border;
  layout.row = (of.width + 2 * of.border) * layout.channels;
  layout.numbers = (of.height + 2 * of.border) * layout.row;
  return layout;
}

StoredModel without_tensors(StoredModel model) {
  model.arrays.clear();
  model.codes.clear();
  return model;
}

Plan plan_of(const StoredModel& model, const std::string& program) {
  const auto& text = program.empty() ? model.program : program;
  if (text.empty()) {
    throw Error(model.path +
                ": does not say how its network computes (no attribute program); expected a file of this "
                "release: let finetune or convert write it anew");
  }
  return make_plan(parse_graph(text, model.path + ": the attribute program"), model);
}

}  // namespace

/// What all runs share.
struct Engine::Prepared {
  const Kernels& kernels;
  std::vector<Layout> layouts;                ///< of each value
  std::vector<PackedLayer> layers;            ///< of each step; empty of those that are no layer
  std::vector<std::vector<int64_t>> offsets;  ///< of each step's runs
  std::vector<int64_t> runs;                  ///< length of each step's runs
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;  ///< workspaces that nobody uses now
};

/// The values of one image on its way through the network.
class Engine::Workspace {
 public:
  explicit Workspace(const Engine& engine) : engine_(engine), values_(engine.plan_.values.size()) {
    for (size_t i = 0; i < values_.size(); ++i) {
      const auto numbers = static_cast<size_t>(prepared().layouts[i].numbers + kWindow);
      if (engine.plan_.values[i].is_codes) {
        values_[i].codes.assign(numbers, 0);
      } else {
        values_[i].reals.assign(numbers, 0);
      }
    }
  }

  /// The image's first channel; others and pixels by the layout.
  float* image() { return values_[0].reals.data(); }
  const Layout& image_layout() const { return layout(0); }

  void run(float* logits, int threads) {
    for (size_t i = 0; i < engine_.plan_.steps.size(); ++i) {
      compute(i, threads);
    }
    take_logits(logits);
  }

  void compute(size_t index, int threads) {
    const auto& step = engine_.plan_.steps[index];
    switch (step.kind) {
      case StepKind::kLayer:
      case StepKind::kPointwise:
        compute_layer(index, threads);
        break;
      case StepKind::kMaxPool:
      case StepKind::kAveragePool:
        pool(step);
        break;
      case StepKind::kGlobalPool:
        pool_all(step);
        break;
      case StepKind::kFlatten:
        flatten(step);
        break;
      default:
        copy_channels(step);
    }
  }

 private:
  struct Memory {
    std::vector<uint8_t> codes;
    std::vector<float> reals;
  };

  const Prepared& prepared() const { return *engine_.prepared_; }
  const Value& value(int index) const { return engine_.plan_.values[static_cast<size_t>(index)]; }
  const Layout& layout(int index) const { return prepared().layouts[static_cast<size_t>(index)]; }
  Memory& memory(int index) { return values_[static_cast<size_t>(index)]; }

  void take_logits(float* logits) {
    const int output = engine_.plan_.output;
    for (int64_t c = 0; c < value(output).channels; ++c) {
      logits[c] = real(output, layout(output).at(0, 0) + c);
    }
  }

  float plain(int index, int64_t at) {
    const auto place = static_cast<size_t>(at);
    return value(index).is_codes ? static_cast<float>(memory(index).codes[place])
                                 : memory(index).reals[place];
  }
  float real(int index, int64_t at) {
    return value(index).is_codes ? value(index).step * plain(index, at) : plain(index, at);
  }
  void put(int index, int64_t at, float plain) {
    const auto place = static_cast<size_t>(at);
    if (value(index).is_codes) {
      memory(index).codes[place] = static_cast<uint8_t>(plain);
    } else {
      memory(index).reals[place] = plain;
    }
  }
  template <typename T>
  const T* start(const std::vector<T>& numbers, int64_t at) const {
    return numbers.data() + at;
  }

  // The numbers of a value in the type that a route reads.
  const void* input_for(Route route, int index, int64_t at) {
    const auto& of = memory(index);
    if (route == Route::kWords) {
      return words_.data() + at;
    }
    if ((route == Route::kReals || route == Route::kDepthwiseReals) && value(index).is_codes) {
      return reals_.data() + at;
    }
    return value(index).is_codes ? static_cast<const void*>(of.codes.data() + at) : of.reals.data() + at;
  }

  void convert_input(Route route, int index) {
    const auto& codes = memory(index).codes;
    if (route == Route::kWords) {
      words_.assign(codes.begin(), codes.end());
    } else if ((route == Route::kReals || route == Route::kDepthwiseReals) && value(index).is_codes) {
      reals_.resize(codes.size());
      const float step = value(index).step;
      for (size_t i = 0; i < codes.size(); ++i) {
        reals_[i] = step * static_cast<float>(codes[i]);
      }
    }
  }

  void add_residual(const Step& step, int64_t y, LayerTask& task) {
    if (step.residual < 0) {
      return;
    }
    const int64_t at = layout(step.residual).at(y, 0);
    task.residual_is_codes = value(step.residual).is_codes;
    task.residual = task.residual_is_codes ? static_cast<const void*>(memory(step.residual).codes.data() + at)
                                           : memory(step.residual).reals.data() + at;
    task.residual_step = value(step.residual).step;
    task.residual_pixel = layout(step.residual).channels;
    task.residual_row = layout(step.residual).row;
  }

  // Of some rows of a layer, with all its outputs.
  LayerTask task_for(size_t index, int64_t y, int64_t rows) {
    const auto& step = engine_.plan_.steps[index];
    const auto& layer = prepared().layers[index];
    const auto& from = layout(step.inputs[0]);
    const auto& to = layout(step.output);
    LayerTask task;
    task.in = input_for(layer.route, step.inputs[0], from.at(y * step.stride - step.padding, -step.padding));
    task.offsets = prepared().offsets[index].data();
    task.taps = static_cast<int64_t>(prepared().offsets[index].size());
    task.run = prepared().runs[index];
    task.in_pixel = step.stride * from.channels;
    task.in_row = step.stride * from.row;
    task.outputs = to.channels;
    task.height = rows;
    task.width = value(step.output).width;
    task.period = layer.period;
    task.gain = layer.gain.data();
    task.shift = layer.shift.data();
    task.finish = &step.finish;
    task.out_is_codes = value(step.output).is_codes;
    task.out_pixel = to.channels;
    task.out_row = to.row;
    task.out = task.out_is_codes ? static_cast<void*>(memory(step.output).codes.data() + to.at(y, 0))
                                 : memory(step.output).reals.data() + to.at(y, 0);
    add_residual(step, y, task);
    return task;
  }

  void compute_layer(size_t index, int threads) {
    const auto& step = engine_.plan_.steps[index];
    convert_input(prepared().layers[index].route, step.inputs[0]);
    const int64_t height = value(step.output).height;
    const int64_t parts = threads == 1 ? 1 : std::min<int64_t>(height, int64_t{2} * threads);
    for_each(parts, threads, [&](int64_t part) {
      const int64_t first = height * part / parts;
      compute_rows(index, task_for(index, first, height * (part + 1) / parts - first));
    });
  }

  void compute_rows(size_t index, LayerTask task) const {
    const auto& layer = prepared().layers[index];
    const auto& kernels = prepared().kernels;
    switch (layer.route) {
      case Route::kZero:
        task.taps = 0;
        return kernels.reals(task);
      case Route::kCorrectedBytes:
        task.corrections = layer.corrections.view();
        [[fallthrough]];
      case Route::kBytes:
        task.weights = layer.bytes.data();
        return kernels.bytes(task);
      case Route::kWords:
        task.weights = layer.words.data();
        return kernels.words(task);
      case Route::kReals:
        task.weights = layer.reals.data();
        return kernels.reals(task);
      case Route::kDepthwiseCodes:
        task.weights = layer.reals.data();
        return kernels.depthwise_codes(task);
      case Route::kDepthwiseWords:
        task.weights = layer.words.data();
        return kernels.depthwise_words(task);
      case Route::kDepthwiseReals:
        task.weights = layer.reals.data();
        return kernels.depthwise_reals(task);
    }
  }

  void pool(const Step& step) {
    const auto& out = value(step.output);
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        pool_pixel(step, y, x);
      }
    }
  }

  void pool_pixel(const Step& step, int64_t y, int64_t x) {
    const int input = step.inputs[0];
    const auto& in = value(input);
    const bool is_maximum = step.kind == StepKind::kMaxPool;
    const int64_t top = y * step.stride - step.padding, left = x * step.stride - step.padding;
    const float nothing = is_maximum ? -std::numeric_limits<float>::infinity() : 0.0F;
    sums_.assign(static_cast<size_t>(in.channels), nothing);
    for (int64_t iy = std::max<int64_t>(top, 0); iy < std::min(top + step.kernel, in.height); ++iy) {
      for (int64_t ix = std::max<int64_t>(left, 0); ix < std::min(left + step.kernel, in.width); ++ix) {
        const int64_t at = layout(input).at(iy, ix);
        for (int64_t c = 0; c < in.channels; ++c) {
          auto& sum = sums_[static_cast<size_t>(c)];
          const float found = plain(input, at + c);
          sum = is_maximum ? std::max(sum, found) : sum + found;
        }
      }
    }
    const float unit = in.is_codes ? in.step : 1.0F;
    const auto count = static_cast<float>(step.kernel * step.kernel);
    const int64_t to = layout(step.output).at(y, x);
    for (int64_t c = 0; c < in.channels; ++c) {
      const float sum = sums_[static_cast<size_t>(c)];
      put(step.output, to + c, is_maximum ? sum : sum * unit / count);
    }
  }

  void pool_all(const Step& step) {
    const int input = step.inputs[0];
    const auto& in = value(input);
    sums_.assign(static_cast<size_t>(in.channels), 0.0F);
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x) {
        const int64_t at = layout(input).at(y, x);
        for (int64_t c = 0; c < in.channels; ++c) {
          sums_[static_cast<size_t>(c)] += plain(input, at + c);
        }
      }
    }
    const float unit = in.is_codes ? in.step : 1.0F;
    const auto pixels = static_cast<float>(in.height * in.width);
    for (int64_t c = 0; c < in.channels; ++c) {
      put(step.output, c, sums_[static_cast<size_t>(c)] * unit / pixels);
    }
  }

  // Features are numbered channel by channel, as libtorch has them.
  void flatten(const Step& step) {
    const int input = step.inputs[0];
    const auto& in = value(input);
    int64_t to = 0;
    for (int64_t c = 0; c < in.channels; ++c) {
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          put(step.output, to++, plain(input, layout(input).at(y, x) + c));
        }
      }
    }
  }

  void copy_channels(const Step& step) {
    const bool keeps_codes = value(step.output).is_codes;
    int64_t first = step.before;
    for (const int input : step.inputs) {
      const auto& in = value(input);
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          const int64_t from = layout(input).at(y, x), to = layout(step.output).at(y, x) + first;
          for (int64_t c = 0; c < in.channels; ++c) {
            put(step.output, to + c, keeps_codes ? plain(input, from + c) : real(input, from + c));
          }
        }
      }
      first += in.channels;
    }
  }

  const Engine& engine_;
  std::vector<Memory> values_;
  std::vector<int16_t> words_;
  std::vector<float> reals_, sums_;
};

Engine::Engine(const std::string& path, const std::string& program) : Engine(read_model(path), program) {}

Engine::Engine(StoredModel model, const std::string& program, const Kernels& kernels)
    : Engine(plan_of(model, program), kernels) {
  about_ = without_tensors(std::move(model));
}

Engine::Engine(Plan plan, const Kernels& kernels)
    : plan_(std::move(plan)), prepared_(new Prepared{kernels, {}, {}, {}, {}, {}, {}}) {
  for (size_t i = 0; i < plan_.values.size(); ++i) {
    prepared_->layouts.push_back(layout_of(plan_, static_cast<int>(i)));
  }
  for (auto& step : plan_.steps) {
    const bool is_layer = step.kind == StepKind::kLayer || step.kind == StepKind::kPointwise;
    const auto& from = prepared_->layouts[static_cast<size_t>(step.inputs[0])];
    prepared_->layers.push_back(is_layer ? pack_layer(plan_, step, kernels.costs) : PackedLayer());
    const auto route = prepared_->layers.back().route;
    const bool is_depthwise =
        route == Route::kDepthwiseCodes || route == Route::kDepthwiseWords || route == Route::kDepthwiseReals;
    std::vector<int64_t> offsets;
    for (int64_t ky = 0; is_layer && ky < step.kernel; ++ky) {
      for (int64_t kx = 0; kx < (is_depthwise ? step.kernel : 1); ++kx) {
        offsets.push_back(ky * from.row + kx * from.channels);
      }
    }
    const int64_t run = is_depthwise ? 1 : step.kernel * from.channels;
    for (auto& offset : prepared_->layers.back().corrections.offsets) {
      offset = offsets[static_cast<size_t>(offset / run)] + offset % run;
    }
    prepared_->offsets.push_back(std::move(offsets));
    prepared_->runs.push_back(run);
  }
}

Engine::~Engine() = default;

template <typename Fill>
void Engine::run_all(int64_t count, float* logits, int threads, const Fill& fill) const {
  if (threads < 1 || count < 0) {
    throw std::invalid_argument("a run of " + std::to_string(count) + " images on " +
                                std::to_string(threads) + " threads; expected 0 or more, and 1 or more");
  }
  const auto take = [&] {
    const std::lock_guard<std::mutex> lock(prepared_->mutex);
    if (prepared_->idle.empty()) {
      return std::make_unique<Workspace>(*this);
    }
    auto workspace = std::move(prepared_->idle.back());
    prepared_->idle.pop_back();
    return workspace;
  };
  const auto give_back = [&](std::unique_ptr<Workspace> workspace) {
    const std::lock_guard<std::mutex> lock(prepared_->mutex);
    prepared_->idle.push_back(std::move(workspace));
  };
  // Several parts a thread: one that begins late takes fewer.
  const int64_t parts =
      threads == 1 ? std::min<int64_t>(count, 1) : std::min<int64_t>(count, int64_t{8} * threads);
  for_each(parts, threads, [&](int64_t part) {
    auto workspace = take();
    for (int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      fill(*workspace, i);
      workspace->run(logits + i * classes(), count == 1 ? threads : 1);
    }
    give_back(std::move(workspace));
  });
}

void Engine::run(const float* images, int64_t count, float* logits, int threads) const {
  const int64_t pixels = height() * width();
  run_all(count, logits, threads, [&](Workspace& workspace, int64_t index) {
    const float* image = images + index * channels() * pixels;
    const auto& layout = workspace.image_layout();
    for (int64_t i = 0; i < pixels; ++i) {
      float* to = workspace.image() + layout.at(i / width(), i % width());
      for (int64_t c = 0; c < channels(); ++c) {
        to[c] = image[c * pixels + i];
      }
    }
  });
}

void Engine::run(const uint8_t* images, int64_t count, float* logits, int threads) const {
  if (channels() != 3) {
    throw Error(about_.path + ": images of " + std::to_string(channels()) +
                " channels; expected three, which the file's normalization is for");
  }
  const int64_t pixels = height() * width();
  run_all(count, logits, threads, [&](Workspace& workspace, int64_t index) {
    const uint8_t* image = images + index * 3 * pixels;
    const auto& layout = workspace.image_layout();
    for (int64_t i = 0; i < pixels; ++i) {
      float* to = workspace.image() + layout.at(i / width(), i % width());
      for (int64_t c = 0; c < 3; ++c) {
        const auto k = static_cast<size_t>(c);
        to[c] = (static_cast<float>(image[c * pixels + i]) / 255.0F - about_.mean[k]) / about_.std[k];
      }
    }
  });
}

std::string Engine::profile(const float* image) const {
  constexpr int kRuns = 20;
  std::vector<float> logits(static_cast<size_t>(classes()));
  run(image, 1, logits.data());
  auto& workspace = *prepared_->idle.back();
  std::ostringstream text;
  text << std::fixed << std::setprecision(1);
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (int j = 0; j < kRuns; ++j) {
      const auto begin = std::chrono::steady_clock::now();
      workspace.compute(i, 1);
      const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
      least = std::min(least, time.count());
    }
    const auto& step = plan_.steps[i];
    const auto& out = plan_.values[static_cast<size_t>(step.output)];
    const bool is_layer = step.kind == StepKind::kLayer || step.kind == StepKind::kPointwise;
    text << step.path << ": " << (is_layer ? to_string(prepared_->layers[i].route) : "moves") << ", ("
         << out.channels << ", " << out.height << ", " << out.width << "), " << least << " us\n";
  }
  return text.str();
}

}  // namespace bsq::infer

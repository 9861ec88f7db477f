#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <thread>

#include "bsq/base/error.h"
#include "bsq/base/shown_text.h"
#include "bsq/data/data_record.h"
#include "bsq/data/image_file.h"
#include "bsq/data/loader.h"
#include "bsq/infer/kernels.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/notice.h"
#include "tools/cli/stored_network.h"
#include "tools/infer/file_engine.h"
#include "tools/infer/infer_options.h"
#include "tools/infer/measurement.h"

namespace bsq::cli {
namespace {

constexpr int64_t kBatch = 100;
constexpr int64_t kMostNamed = 20;  // images with another class

int threads_of(const InferOptions& options) {
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return options.threads == 0 ? cores : static_cast<int>(options.threads);
}

Normalization normalization_of(const infer::Engine& engine) {
  return {engine.about().mean, engine.about().std};
}

// The data set's test images, as the file's were made from pictures.
ImageDataset test_images(const InferOptions& options, const infer::Engine& engine) {
  DatasetOptions data;
  const auto& about = engine.about();
  data.dataset = options.dataset.value_or(about.dataset.empty() ? data.dataset : about.dataset);
  data.folder = options.folder;
  if (options.seed && data.dataset != "synthetic") {
    throw UsageError("--seed: no effect on " + data.dataset + ", whose images are not synthetic");
  }
  data.seed = options.seed ? static_cast<uint64_t>(*options.seed) : InferOptions::kSeed;
  if (is_image_folder(data.dataset)) {
    data.image_size = about.image_size;
    data.resize = about.resize;
  }
  const auto splits = load_dataset(data);
  check_class_names(options.folder, about.class_names, splits.class_names);
  for (const auto& line : splits.notes) {
    notice(line);
  }
  return splits.test;
}

std::string class_name(const infer::Engine& engine, int64_t index) {
  const auto& names = engine.about().class_names;
  return index < static_cast<int64_t>(names.size()) ? names[static_cast<size_t>(index)]
                                                    : "class " + std::to_string(index);
}

// A picture as the network takes it: of its size, or made so where the file's pictures were.
std::vector<uint8_t> planes_of(const infer::Engine& engine, const std::string& picture) {
  const auto& about = engine.about();
  std::vector<uint8_t> planes(static_cast<size_t>(3 * engine.height() * engine.width()));
  if (about.image_size > 0) {
    const FileImages files({picture}, {engine.height(), engine.width()}, about.resize, /*is_strict=*/true);
    files.decode(/*file=*/0, /*random=*/nullptr, planes.data());
    return planes;
  }
  const auto size = image_size(picture);
  if (size.height != engine.height() || size.width != engine.width() || engine.channels() != 3) {
    throw Error(picture + ": " + std::to_string(size.width) + " x " + std::to_string(size.height) +
                " pixels; expected " + std::to_string(engine.width()) + " x " +
                std::to_string(engine.height()) + ", as the model takes");
  }
  decode_image(picture, size, planes.data());
  return planes;
}

// The class with the largest logit, and its softmax.
void print_class(const infer::Engine& engine, const std::string& picture) {
  const auto planes = planes_of(engine, picture);
  auto logits = torch::empty({engine.classes()}, torch::kFloat32);
  engine.run(planes.data(), 1, logits.data_ptr<float>());
  const auto scores = logits.softmax(0);
  const auto best = scores.argmax().item<int64_t>();
  std::cout << shown_text(picture, /*keep_lines=*/false) << ": "
            << shown_text(class_name(engine, best), /*keep_lines=*/false) << ", score " << std::fixed
            << std::setprecision(4) << scores[best].item<float>() << "\n";
}

/// What the trainer's evaluation gives in float32, and how fast it is in both its precisions.
struct Evaluation {
  torch::Tensor logits;
  double fp32_seconds = 0, bf16_seconds = 0;  ///< of the network alone, without the loading of images
};

template <typename Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The precisions take turns, batch by batch.
Evaluation evaluate_with_libtorch(Network& network, const ImageDataset& images,
                                  const Normalization& normalization) {
  torch::NoGradGuard no_grad;
  LoaderOptions options;
  options.batch_size = kBatch;
  options.normalization = normalization;
  BatchLoader loader(images, options);
  loader.start(/*epoch=*/0);
  Evaluation found;
  std::vector<torch::Tensor> logits;
  while (const auto batch = loader.next()) {
    const auto short_images = batch->images.to(torch::kBFloat16);
    found.fp32_seconds += seconds_of([&] { logits.push_back(network.forward(batch->images)); });
    found.bf16_seconds += seconds_of([&] { network.forward(short_images); });
  }
  found.logits = torch::cat(logits).to(torch::kFloat32);
  return found;
}

// How far the two best classes are apart: where it is small, either is right.
float margin(const torch::Tensor& logits) {
  const auto two = std::get<0>(logits.topk(2));
  return (two[0] - two[1]).item<float>();
}

void print_speed(const char* precision, double seconds, const Measurement& found) {
  const double images_a_second = static_cast<double>(found.labels.numel()) / seconds;
  std::cout << "libtorch in " << precision << ": " << std::setprecision(0) << images_a_second
            << " images a second; the engine computes " << std::setprecision(2)
            << found.images_a_second / images_a_second << " times as many\n";
}

void compare(const std::string& path, const infer::Engine& engine, const ImageDataset& images,
             const Measurement& found) {
  const auto& logits = found.logits;
  const auto evaluation =
      evaluate_with_libtorch(*stored_network(path, read_checkpoint(path)), images, normalization_of(engine));
  const auto& theirs = evaluation.logits;
  const auto correct = theirs.argmax(1).eq(found.labels).sum().item<int64_t>();
  const auto others = theirs.argmax(1).ne(logits.argmax(1)).nonzero().flatten();
  std::cout << "libtorch: " << correct << " of " << found.labels.size(0) << "; another class for "
            << others.numel() << " images; logits differ by at most " << std::setprecision(4)
            << (theirs - logits).abs().max().item<float>() << ", by "
            << (theirs - logits).abs().mean().item<float>() << " in the mean\n";
  print_speed("fp32", evaluation.fp32_seconds, found);
  print_speed("bf16", evaluation.bf16_seconds, found);
  for (int64_t i = 0; i < std::min(others.numel(), kMostNamed); ++i) {
    const auto index = others[i].item<int64_t>();
    std::cout << "image " << index << ": " << logits[index].argmax().item<int64_t>() << ", libtorch "
              << theirs[index].argmax().item<int64_t>() << "; the two best logits are "
              << margin(logits[index]) << " apart, libtorch's " << margin(theirs[index]) << "\n";
  }
}

void print_measurement(const Measurement& found, int threads) {
  const int64_t images = found.labels.size(0);
  std::cout << std::fixed << std::setprecision(2) << "top-1 "
            << 100.0 * static_cast<double>(found.correct) / static_cast<double>(images) << " % ("
            << found.correct << " of " << images << ")\n"
            << "one image: " << std::setprecision(3) << found.latency.milliseconds << " ms (median of "
            << found.latency.runs << ")\n"
            << "all images: " << std::setprecision(0) << found.images_a_second << " a second\n"
            << "on " << threads << (threads == 1 ? " thread, " : " threads, ") << infer::best_kernels().name
            << " kernels\n";
}

int run(const InferOptions& options) {
  const auto engine = engine_of(options.model());
  const auto pictures = options.pictures();
  for (const auto& picture : pictures) {
    print_class(engine, picture);
  }
  if (!pictures.empty()) {
    return 0;
  }
  const auto images = test_images(options, engine);
  const int threads = threads_of(options);
  const auto found = measure(engine, images, threads);
  if (images.files) {
    for (const auto& line : images.files->take_damage()) {
      notice(line);
    }
  }
  print_measurement(found, threads);
  if (options.compare) {
    torch::set_num_threads(threads);
    compare(options.model(), engine, images, found);
  }
  if (options.profile) {
    const std::vector<float> gray(static_cast<size_t>(3 * engine.height() * engine.width()), 0.0F);
    std::cout << engine.profile(gray.data());
  }
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int infer_main(int argc, char** argv) {
  return bsq::cli::guarded_main("infer", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_infer_options(argc, argv)); });
}

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "bsq/base/error.h"
#include "bsq/data/image_folder.h"
#include "bsq/data/loader.h"

namespace {

constexpr int64_t kBatch = 64;

// Images a second of one epoch, from files to normalized batches.
double rate_of(const bsq::ImageDataset& data, bool is_training, int64_t workers, int64_t epoch) {
  bsq::LoaderOptions options;
  options.batch_size = kBatch;
  options.shuffle = options.augment = is_training;
  options.workers = workers;
  bsq::BatchLoader loader(data, options);
  const auto begin = std::chrono::steady_clock::now();
  loader.start(epoch);
  int64_t images = 0;
  while (const auto batch = loader.next()) {
    images += batch->images.size(0);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(images) / seconds.count();
}

int run(const std::string& folder, int64_t side, int64_t workers) {
  bsq::FolderOptions options;
  options.image_size = side;
  const auto splits = bsq::load_image_folder(folder, options);
  rate_of(splits.train, /*is_training=*/true, workers,
          /*epoch=*/0);  // the files are in the cache from now on
  std::cout << "train " << rate_of(splits.train, /*is_training=*/true, workers, /*epoch=*/1) << "\n"
            << "test " << rate_of(splits.train, /*is_training=*/false, workers, /*epoch=*/0) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || std::atoi(argv[2]) < 1 || std::atoi(argv[3]) < 1) {
    std::cerr
        << "bench_images: images a second, from the pictures of a folder to batches for training and for "
           "evaluation\nusage: bench_images FOLDER SIDE WORKERS\n";
    return 2;
  }
  try {
    return run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
  } catch (const std::exception& error) {
    std::cerr << "bench_images: " << error.what() << "\n";
    return 1;
  }
}

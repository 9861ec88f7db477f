// One training step of a ResNet, side by side in one run: float, naive BSQ and fast BSQ, in fp32 and bf16,
// and the convolutions alone. Every variant is a process of its own; steps are done one at a time, in random
// order. Ends with one line per ratio: "ratio NAME VALUE".

#include <benchmark/benchmark.h>
#include <torch/cuda.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <thread>

#include "bsq/methods/methods.h"
#include "tools/bench/ratios.h"
#include "tools/bench/step_process.h"
#include "tools/bench/step_variants.h"

namespace bsq::bench {
namespace {

namespace po = boost::program_options;

constexpr int kWarmUpSteps = 2;

struct Options {
  StepSetting setting;
  int threads = 1;
  int steps = 20;
  std::string filter;
  std::vector<std::string> methods;
  std::string variant;  // in the child
};

po::options_description flags(Options& options) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  po::options_description all("bench_step: a training step's price, in ratios of one run");
  auto add = all.add_options();
  add("help,h", "this text");
  add("depth", po::value(&options.setting.depth)->default_value(20), "of the ResNet, 6n+2");
  add("bits", po::value(&options.setting.bits)->default_value(8), "of every layer's weights, 1 to 8");
  add("act", po::value(&options.setting.activation_bits)->default_value(4), "bits of the activations");
  add("batch", po::value(&options.setting.batch)->default_value(128), "images a step");
  add("threads", po::value(&options.threads)->default_value(cores), "of each process");
  add("device", po::value(&options.setting.device)->default_value("cpu"), "cpu or cuda");
  add("steps", po::value(&options.steps)->default_value(20), "of each variant, after two to warm up");
  add("filter", po::value(&options.filter)->default_value(""), "only variants that hold this text");
  add("method", po::value(&options.methods)->multitoken(),
      "time a step of these methods beside the float step, and nothing else");
  add("variant", po::value(&options.variant)->default_value(""),
      "serve this one (used by the program itself)");
  return all;
}

struct Wanted {
  std::string key, variant;
  int threads;
};

std::vector<Wanted> wanted_variants(const Options& options) {
  std::vector<Wanted> all;
  const bool is_of_methods = !options.methods.empty();
  for (const auto& name : is_of_methods ? method_variants(options.methods) : step_variants()) {
    all.push_back({name, name, options.threads});
  }
  if (!is_of_methods && options.threads > 1 && options.setting.device == "cpu") {
    for (const char* name : {"fast/bf16", "convolutions/bf16"}) {
      all.push_back({with_threads(name, 1), name, 1});
    }
  }
  const auto is_unwanted = [&](const Wanted& w) { return w.key.find(options.filter) == std::string::npos; };
  all.erase(std::remove_if(all.begin(), all.end(), is_unwanted), all.end());
  return all;
}

std::vector<std::string> child_arguments(const Options& options, const Wanted& wanted) {
  const auto& setting = options.setting;
  return {"--variant", wanted.variant,
          "--depth",   std::to_string(setting.depth),
          "--bits",    std::to_string(setting.bits),
          "--act",     std::to_string(setting.activation_bits),
          "--batch",   std::to_string(setting.batch),
          "--threads", std::to_string(wanted.threads),
          "--device",  setting.device};
}

// Keeps quiet: the table is printed at the end, when the medians are known.
class SilentReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

std::map<std::string, Measurement> measure(const Options& options) {
  std::map<std::string, Measurement> measurements;
  std::map<std::string, std::unique_ptr<StepProcess>> children;
  for (const auto& wanted : wanted_variants(options)) {
    auto child = std::make_unique<StepProcess>(child_arguments(options, wanted));
    for (int i = 0; i < kWarmUpSteps; ++i) {
      child->step();
    }
    auto* process = child.get();
    auto* seconds = &measurements[wanted.key].seconds;
    benchmark::RegisterBenchmark(wanted.key.c_str(),
                                 [process, seconds](benchmark::State& state) {
                                   for (auto _ : state) {
                                     const double taken = process->step();
                                     state.SetIterationTime(taken);
                                     seconds->push_back(taken);
                                   }
                                 })
        ->UseManualTime()
        ->Iterations(1)
        ->Repetitions(options.steps);
    children[wanted.key] = std::move(child);
  }
  SilentReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  for (auto& [key, child] : children) {
    measurements[key].peak_memory = child->peak_memory();
  }
  return measurements;
}

void print(const Options& options, const std::map<std::string, Measurement>& measurements) {
  const auto& setting = options.setting;
  std::printf("ResNet-%d, batch %d, %d bits, act %d, %d thread%s, %s, libtorch %s, %d steps of each\n\n",
              static_cast<int>(setting.depth), static_cast<int>(setting.batch),
              static_cast<int>(setting.bits), static_cast<int>(setting.activation_bits), options.threads,
              options.threads == 1 ? "" : "s", setting.device.c_str(), TORCH_VERSION, options.steps);
  std::printf("%-32s %12s %12s %14s\n", "step", "median ms", "images/s", "peak MiB");
  for (const auto& [name, m] : measurements) {
    std::printf("%-32s %12.2f %12.0f %14.0f\n", name.c_str(), m.median() * 1e3,
                static_cast<double>(setting.batch) / m.median(), m.peak_memory / 1048576.0);
  }
  std::printf("\n");
  for (const auto& [name, value] : ratios(measurements)) {
    std::printf("ratio %s %.3f\n", name.c_str(), value);
  }
}

void check(const Options& options) {
  if (options.threads < 1 || options.steps < 1 || options.setting.batch < 1) {
    throw po::error("--threads, --steps and --batch: expected 1 or more");
  }
  if (options.setting.device != "cpu" && options.setting.device != "cuda") {
    throw po::error("--device " + options.setting.device + ": expected cpu or cuda");
  }
  for (const auto& name : options.methods) {
    make_method(name);  // throws for one that there is not
  }
  if (options.setting.device == "cuda" && !torch::cuda::is_available()) {
    throw po::error("--device cuda: this libtorch finds no GPU");
  }
}

int run(int argc, char** argv) {
  Options options;
  const auto all = flags(options);
  po::variables_map values;
  po::store(po::parse_command_line(argc, argv, all), values);
  po::notify(values);
  if (values.count("help") > 0) {
    std::cout << all;
    return 0;
  }
  check(options);
  torch::set_num_threads(options.threads);
  if (!options.variant.empty()) {
    return serve_steps(make_step(options.variant, options.setting));
  }
  std::string program = argv[0];
  std::string interleaving = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments = {program.data(), interleaving.data()};
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  print(options, measure(options));
  return 0;
}

}  // namespace
}  // namespace bsq::bench

int main(int argc, char** argv) {
  try {
    return bsq::bench::run(argc, argv);
  } catch (const boost::program_options::error& error) {
    std::cerr << "bench_step: " << error.what() << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_step: " << error.what() << std::endl;
    return 1;
  }
}

#include "bsq/methods/bsq/size_target.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bsq/methods/bsq/plane_weight.h"
#include "bsq/methods/bsq/real_planes.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"

namespace bsq {
namespace {

constexpr double kBytesInKilobyte = 1000;

// A weight with one plane less.
struct Candidate {
  BitPlanes planes;
  int64_t bits;  // 0: every value is 0
  double harm;
};

struct Entry {
  SourceRef ref;
  BitPlanes planes;
  bool may_vanish;
  double sensitivity;
  bool is_changed = false;
  std::vector<Candidate> candidates;
};

torch::Tensor value_of(const BitPlanes& planes) {
  return round_value(plane_value(planes.positive, planes.negative), planes.bits());
}

// |W - a W'|^2 for the best factor a; W' takes the scale that a makes of W's.
double distance(const torch::Tensor& w, const torch::Tensor& other, double& factor) {
  const auto a = w.flatten().to(torch::kFloat64);
  const auto b = other.flatten().to(torch::kFloat64);
  const double own = a.dot(a).item<double>();
  const double square = b.dot(b).item<double>();
  const double mixed = a.dot(b).item<double>();
  if (square == 0) {
    factor = 1;
    return own;
  }
  factor = mixed / square;
  return std::max(own - mixed * mixed / square, 0.0);
}

void find_candidates(Entry& entry) {
  entry.candidates.clear();
  const int64_t bits = entry.planes.bits();
  const auto before = value_of(entry.planes).mul(entry.planes.scale.to(torch::kFloat64));
  const auto add = [&](BitPlanes planes, int64_t left) {
    double factor = 1;
    const double square = distance(before, value_of(planes).mul(planes.scale.to(torch::kFloat64)), factor);
    if (factor > 0) {
      planes.scale = planes.scale * factor;
    }
    entry.candidates.push_back({std::move(planes), left, entry.sensitivity * square});
  };
  if (bits > 1) {
    add(without_least_significant(entry.planes), bits - 1);
    add(without_most_significant(entry.planes), bits - 1);
  } else if (entry.may_vanish) {
    add({torch::zeros_like(entry.planes.positive), torch::zeros_like(entry.planes.negative),
         entry.planes.scale.detach().clone()},
        0);
  }
}

struct Choice {
  size_t entry, candidate;
  double price;   // harm for each bit saved
  double excess;  // that would be left
};

class Fit {
 public:
  Fit(torch::nn::Module& network, const SizeTarget& target,
      const std::map<std::string, torch::Tensor>& sensitivities)
      : target_(target), tensors_(tensor_bits(network)), floats_(sizes_of(network).float_elements) {
    for (const auto& ref : coded_sources(network)) {
      const auto* weight = dynamic_cast<const PlaneWeight*>(&ref.source());
      const auto found = sensitivities.find(ref.name);
      if (weight == nullptr || ref.is_bias || found == sensitivities.end()) {
        entries_.push_back(std::nullopt);
        continue;
      }
      Entry entry{ref,
                  weight->planes(),
                  ref.layer->role() == LayerRole::kInner,
                  found->second.item<double>(),
                  /*is_changed=*/false,
                  /*candidates=*/{}};
      if (tensors_[entries_.size()].bits > 0) {
        find_candidates(entry);
      }
      entries_.push_back(std::move(entry));
    }
  }

  double excess() const { return target_.excess(count_sizes(tensors_, floats_)); }

  // False where nothing can be dropped.
  bool drop_one() {
    std::optional<Choice> cheapest, nearest;
    for (size_t i = 0; i < entries_.size(); ++i) {
      for (size_t k = 0; entries_[i] && k < entries_[i]->candidates.size(); ++k) {
        const auto choice = look_at(i, k);
        if (choice.excess >= 1 - kOvershoot && (!cheapest || choice.price < cheapest->price)) {
          cheapest = choice;
        }
        if (!nearest || choice.excess > nearest->excess) {
          nearest = choice;
        }
      }
    }
    if (!nearest) {
      return false;
    }
    take(cheapest ? *cheapest : *nearest);
    return true;
  }

  void store() {
    for (auto& entry : entries_) {
      if (entry && entry->is_changed) {
        entry->ref.set(std::make_unique<PlaneWeight>(entry->planes));
      }
    }
  }

 private:
  Choice look_at(size_t i, size_t k) {
    const auto& candidate = entries_[i]->candidates[k];
    auto& bits = tensors_[i].bits;
    const auto kept = bits;
    const auto before = static_cast<double>(count_sizes(tensors_, floats_).stored_bits);
    bits = candidate.bits;
    const auto sizes = count_sizes(tensors_, floats_);
    bits = kept;
    const double saved = std::max(before - static_cast<double>(sizes.stored_bits), 1.0);
    return {i, k, candidate.harm / saved, target_.excess(sizes)};
  }

  void take(const Choice& choice) {
    auto& entry = *entries_[choice.entry];
    auto& candidate = entry.candidates[choice.candidate];
    entry.planes = std::move(candidate.planes);
    entry.is_changed = true;
    tensors_[choice.entry].bits = candidate.bits;
    if (candidate.bits == 0) {
      entry.candidates.clear();
    } else {
      find_candidates(entry);
    }
  }

  SizeTarget target_;
  std::vector<TensorBits> tensors_;
  int64_t floats_;
  std::vector<std::optional<Entry>> entries_;  // beside tensors_; nothing for weights that are not planes
};

}  // namespace

double SizeTarget::excess(const Sizes& sizes) const {
  switch (measure) {
    case Measure::kComp:
      return value / sizes.comp();
    case Measure::kStored:
      return value / sizes.comp_stored();
    case Measure::kKilobytes:
      return static_cast<double>(sizes.stored_bits) / 8 / kBytesInKilobyte / value;
  }
  return 1;
}

SizeFit fit_to_size(torch::nn::Module& network, const SizeTarget& target, double excess,
                    const std::map<std::string, torch::Tensor>& sensitivities) {
  torch::NoGradGuard no_grad;
  Fit fit(network, target, sensitivities);
  SizeFit done;
  while (fit.excess() > excess && fit.drop_one()) {
    ++done.dropped;
  }
  fit.store();
  done.excess = fit.excess();
  return done;
}

}  // namespace bsq

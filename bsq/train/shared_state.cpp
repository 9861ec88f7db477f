#include "bsq/train/shared_state.h"

#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <vector>

#include "bsq/base/error.h"

namespace bsq {
namespace {

using c10::IValue;
using Tuple = c10::ivalue::Tuple;

std::vector<IValue> parts_of(const IValue& value) { return value.toTuple()->elements().vec(); }

IValue pack(const torch::Tensor& tensor) { return tensor.defined() ? IValue(tensor) : IValue(); }
torch::Tensor unpack_tensor(const IValue& value) {
  return value.isNone() ? torch::Tensor() : value.toTensor();
}

IValue pack(const TensorMap& tensors) {
  std::vector<IValue> entries;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back(Tuple::create({IValue(name), pack(tensor)}));
  }
  return Tuple::create(std::move(entries));
}
TensorMap unpack_map(const IValue& value) {
  TensorMap tensors;
  for (const auto& entry : parts_of(value)) {
    const auto parts = parts_of(entry);
    tensors[parts[0].toStringRef()] = unpack_tensor(parts[1]);
  }
  return tensors;
}

IValue pack(const CodeFormat& format) {
  return Tuple::create({IValue(format.bits), IValue(format.levels), IValue(format.low), IValue(format.step),
                        IValue(format.has_sign_bit)});
}
CodeFormat unpack_format(const IValue& value) {
  const auto parts = parts_of(value);
  CodeFormat format;
  format.bits = parts[0].toInt();
  format.levels = parts[1].toInt();
  format.low = parts[2].toInt();
  format.step = parts[3].toInt();
  format.has_sign_bit = parts[4].toBool();
  return format;
}

IValue pack(const std::string& name, const StoredTensor& stored) {
  return Tuple::create({IValue(name), IValue(static_cast<int64_t>(stored.encoding)), IValue(stored.source),
                        pack(stored.value), pack(stored.positive), pack(stored.negative), pack(stored.scale),
                        pack(stored.offset), pack(stored.format), IValue(stored.bits)});
}
std::pair<std::string, StoredTensor> unpack_stored(const IValue& value) {
  const auto parts = parts_of(value);
  StoredTensor stored;
  stored.encoding = static_cast<Encoding>(parts[1].toInt());
  stored.source = parts[2].toStringRef();
  stored.value = unpack_tensor(parts[3]);
  stored.positive = unpack_tensor(parts[4]);
  stored.negative = unpack_tensor(parts[5]);
  stored.scale = unpack_tensor(parts[6]);
  stored.offset = unpack_tensor(parts[7]);
  stored.format = unpack_format(parts[8]);
  stored.bits = parts[9].toInt();
  return {parts[0].toStringRef(), stored};
}

IValue pack(const SharedState& state) {
  std::vector<IValue> network;
  for (const auto& [name, stored] : state.network) {
    network.push_back(pack(name, stored));
  }
  return Tuple::create({IValue(state.next_epoch), IValue(state.next_step), Tuple::create(std::move(network)),
                        pack(state.optimizer), pack(state.method)});
}
SharedState unpack_state(const IValue& value) {
  const auto parts = parts_of(value);
  SharedState state;
  state.next_epoch = parts[0].toInt();
  state.next_step = parts[1].toInt();
  for (const auto& entry : parts_of(parts[2])) {
    state.network.push_back(unpack_stored(entry));
  }
  state.optimizer = unpack_map(parts[3]);
  state.method = unpack_map(parts[4]);
  return state;
}

torch::Tensor bytes_of(const void* data, size_t size) {
  auto bytes = torch::empty({static_cast<int64_t>(size)}, torch::kUInt8);
  std::copy_n(static_cast<const uint8_t*>(data), size, bytes.data_ptr<uint8_t>());
  return bytes;
}

// Rank 0's bytes. Only it knows how many there are.
torch::Tensor bytes_of_first(Ranks& ranks, torch::Tensor bytes) {
  auto size = torch::tensor({bytes.defined() ? bytes.numel() : 0}, torch::kInt64);
  ranks.broadcast(size);
  if (ranks.rank() != 0) {
    bytes = torch::empty({size.item<int64_t>()}, torch::kUInt8);
  }
  if (bytes.numel() > 0) {
    ranks.broadcast(bytes);
  }
  return bytes;
}

torch::ScalarType integers_as_wide_as(const torch::Tensor& tensor) {
  switch (tensor.element_size()) {
    case 1:
      return torch::kInt8;
    case 2:
      return torch::kInt16;
    case 4:
      return torch::kInt32;
    default:
      return torch::kInt64;
  }
}

// A sum of integers, which is the same in any order.
torch::Tensor checksum(const torch::Tensor& tensor) {
  return tensor.detach().flatten().view(integers_as_wide_as(tensor)).to(torch::kInt64).sum().cpu();
}

std::string place_text(int64_t epoch, int64_t step) {
  return "epoch " + std::to_string(epoch) + ", step " + std::to_string(step);
}

}  // namespace

SharedState state_of_first(Ranks& ranks, const SharedState& own) {
  torch::Tensor bytes;
  if (ranks.rank() == 0) {
    const auto text = torch::jit::pickle_save(pack(own));
    bytes = bytes_of(text.data(), text.size());
  }
  bytes = bytes_of_first(ranks, bytes);
  if (ranks.rank() == 0) {
    return own;
  }
  const auto* first = reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>());
  auto state = unpack_state(torch::jit::pickle_load({first, first + bytes.numel()}));
  if (state.next_epoch != own.next_epoch || state.next_step != own.next_step) {
    throw Error("rank " + std::to_string(ranks.rank()) + " is at " +
                place_text(own.next_epoch, own.next_step) + ", rank 0 at " +
                place_text(state.next_epoch, state.next_step) +
                "; expected all ranks to read one checkpoint");
  }
  return state;
}

std::string text_of_rank(Ranks& ranks, int64_t from, const std::string& text) {
  const auto sizes = ranks.gather(torch::tensor({static_cast<int64_t>(text.size())}, torch::kInt64));
  int64_t longest = 1;
  for (const auto& size : sizes) {
    longest = std::max(longest, size.item<int64_t>());
  }
  auto padded = torch::zeros({longest}, torch::kUInt8);
  std::copy(text.begin(), text.end(), padded.data_ptr<uint8_t>());
  const auto found = ranks.gather(padded).at(static_cast<size_t>(from));
  const auto* first = reinterpret_cast<const char*>(found.data_ptr<uint8_t>());
  return {first, first + sizes.at(static_cast<size_t>(from)).item<int64_t>()};
}

bool have_same_bits(Ranks& ranks, Network& network) {
  torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> sums;
  for (const auto& items : {network.named_parameters(), network.named_buffers()}) {
    for (const auto& item : items) {
      sums[item.key()] = checksum(item.value());
    }
  }
  std::vector<torch::Tensor> row;
  for (const auto& [name, sum] : sums) {
    row.push_back(sum);
  }
  const auto rows = ranks.gather(torch::stack(row));
  return std::all_of(rows.begin(), rows.end(),
                     [&](const torch::Tensor& other) { return torch::equal(other, rows.front()); });
}

void average_tracked(Ranks& ranks, Network& network) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> buffers, flat;
  for (const auto& buffer : network.buffers()) {
    if (buffer.is_floating_point()) {
      buffers.push_back(buffer);
      flat.push_back(buffer.flatten().to(torch::kFloat64));
    }
  }
  if (buffers.empty()) {
    return;
  }
  auto all = torch::cat(flat);
  ranks.start_sum(all)->wait();
  all.div_(static_cast<double>(ranks.count()));
  int64_t first = 0;
  for (auto& buffer : buffers) {
    buffer.copy_(all.narrow(/*dim=*/0, first, buffer.numel()).view(buffer.sizes()));
    first += buffer.numel();
  }
}

}  // namespace bsq

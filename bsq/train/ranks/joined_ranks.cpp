#include "bsq/train/ranks/joined_ranks.h"

#include "bsq/base/error.h"

#ifdef BSQ_HAS_GLOO

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#ifdef BSQ_HAS_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace bsq {
namespace {

using StorePointer = c10::intrusive_ptr<c10d::Store>;
using WorkPointer = c10::intrusive_ptr<c10d::Work>;

constexpr std::chrono::minutes kMeeting{5};
// Rank 0 may write files while the others wait for it. Lost ranks are found by RankWatch long before.
constexpr std::chrono::minutes kOperation{30};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string words_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  return first_line(known == nullptr ? error.what() : known->what_without_backtrace());
}

StorePointer connect(const RankPlace& place, bool is_first) {
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = is_first && !place.is_store_elsewhere && place.rank == 0;
  options.waitWorkers = false;
  options.timeout = kMeeting;
  StorePointer store = c10::make_intrusive<c10d::TCPStore>(place.host, options);
  return c10::make_intrusive<c10d::PrefixStore>(place.prefix, store);
}

class StoreBoard : public Board {
 public:
  explicit StoreBoard(StorePointer store) : store_(std::move(store)) {}
  void put(const std::string& key, const std::string& text) override {
    store_->set(key, std::vector<uint8_t>(text.begin(), text.end()));
  }
  std::string read(const std::string& key) override {
    const auto bytes = store_->get(key);
    return {bytes.begin(), bytes.end()};
  }

 private:
  StorePointer store_;
};

// The address of this machine on the way to the meeting point; "" where there is none.
std::string address_towards(const RankPlace& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found) != 0) {
    return "";
  }
  std::string text;
  const int socket = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  auto* address = reinterpret_cast<sockaddr*>(&own);
  // Of a datagram socket this sends nothing.
  if (socket >= 0 && connect(socket, found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(socket, address, &size) == 0) {
    char name[NI_MAXHOST];
    if (getnameinfo(address, size, name, sizeof name, nullptr, 0, NI_NUMERICHOST) == 0) {
      text = name;
    }
  }
  if (socket >= 0) {
    ::close(socket);
  }
  freeaddrinfo(found);
  return text;
}

std::shared_ptr<::gloo::transport::Device> gloo_device(const RankPlace& place) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) {
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  }
  const auto address = address_towards(place);
  return address.empty() ? c10d::ProcessGroupGloo::createDefaultDevice()
                         : c10d::ProcessGroupGloo::createDeviceForHostname(address);
}

class C10dRanks : public JoinedRanks {
 public:
  C10dRanks(const RankPlace& place, torch::Device device, Lost lost)
      : rank_(place.rank), count_(place.count), store_(connect(place, /*is_first=*/true)) {
    meet(place, std::move(lost));
    try {
      connect_all(place, device);
    } catch (const std::exception& error) {
      watch_->fail(words_of(error));
      throw;
    }
  }

  int64_t rank() const override { return rank_; }
  int64_t count() const override { return count_; }
  void fail(const std::string& why) override { watch_->fail(why); }
  void begin_step(StepKind kind) override {
    if (!uses_nccl()) {
      watch_->steps().begin_step(kind);
    }
  }
  void end_step() override {
    if (!uses_nccl()) {
      watch_->steps().end_step();
    }
  }

  std::unique_ptr<Work> start_sum(const torch::Tensor& tensor) override {
    if (goes_through_host(tensor)) {
      auto copy = tensor.cpu();
      return std::make_unique<Pending>(*this, attempt([&] { return sum(copy); }), copy, tensor);
    }
    return std::make_unique<Pending>(*this, attempt([&] { return sum(tensor); }), tensor, torch::Tensor());
  }

  std::vector<torch::Tensor> gather(const torch::Tensor& tensor) override {
    auto own = goes_through_host(tensor) ? tensor.cpu() : tensor;
    std::vector<torch::Tensor> parts;
    for (int64_t i = 0; i < count_; ++i) {
      parts.push_back(torch::empty_like(own));
    }
    std::vector<std::vector<torch::Tensor>> outputs = {parts};
    std::vector<torch::Tensor> inputs = {own};
    finish(attempt([&]() -> WorkPointer {
#ifdef BSQ_HAS_NCCL
      if (own.is_cuda()) {
        return nccl_->allgather(outputs, inputs);
      }
#endif
      return gloo_->allgather(outputs, inputs);
    }));
    for (auto& part : parts) {
      part = part.to(tensor.device());
    }
    return parts;
  }

  void broadcast(const torch::Tensor& tensor) override {
    std::vector<torch::Tensor> tensors = {goes_through_host(tensor) ? tensor.cpu() : tensor};
    finish(attempt([&]() -> WorkPointer {
#ifdef BSQ_HAS_NCCL
      if (tensors[0].is_cuda()) {
        return nccl_->broadcast(tensors);
      }
#endif
      return gloo_->broadcast(tensors);
    }));
    if (goes_through_host(tensor)) {
      torch::Tensor(tensor).copy_(tensors[0]);
    }
  }

 private:
  // Waits until all have come; from then on whoever is lost is found.
  void meet(const RankPlace& place, Lost lost) {
    auto board = std::make_unique<StoreBoard>(connect(place, /*is_first=*/false));
    RankWatch::announce(*board, rank_);
    RankWatch::wait_for_all(*board, count_);
    RankWatchOptions watching;
    watching.rank = rank_;
    watching.count = count_;
    watching.board_rank = place.is_store_elsewhere ? -1 : 0;
    watch_ = std::make_unique<RankWatch>(std::move(board), watching, std::move(lost));
  }

  void connect_all(const RankPlace& place, torch::Device device) {
    auto options = c10d::ProcessGroupGloo::Options::create(kMeeting);
    options->devices.push_back(gloo_device(place));
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, static_cast<int>(rank_),
                                                        static_cast<int>(count_), options);
    options->timeout = kOperation;
#ifdef BSQ_HAS_NCCL
    if (device.is_cuda()) {
      nccl_ =
          c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store_),
                                                      static_cast<int>(rank_), static_cast<int>(count_));
    }
#else
    (void)device;
#endif
  }

  class Operation {
   public:
    explicit Operation(StepWatch& steps) : steps_(steps) { steps_.begin_operation(); }
    ~Operation() { steps_.end_operation(); }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    StepWatch& steps_;
  };

  /// A sum under way; where it goes through the host, it comes back into `target`.
  class Pending : public Work {
   public:
    Pending(C10dRanks& ranks, WorkPointer work, torch::Tensor tensor, torch::Tensor target)
        : ranks_(ranks), work_(std::move(work)), tensor_(std::move(tensor)), target_(std::move(target)) {}
    void wait() override {
      ranks_.finish(work_);
      if (target_.defined()) {
        target_.copy_(tensor_);
      }
    }

   private:
    C10dRanks& ranks_;
    WorkPointer work_;
    torch::Tensor tensor_, target_;
  };

  bool goes_through_host(const torch::Tensor& tensor) const {
#ifdef BSQ_HAS_NCCL
    return tensor.is_cuda() && !nccl_;
#else
    return !tensor.is_cpu();
#endif
  }

  // A wait for NCCL's work returns before the work is done: the CPU waits later, where nobody can tell that
  // from a rank's own hanging.
  bool uses_nccl() const {
#ifdef BSQ_HAS_NCCL
    return static_cast<bool>(nccl_);
#else
    return false;
#endif
  }

  WorkPointer sum(const torch::Tensor& tensor) {
    std::vector<torch::Tensor> tensors = {tensor};
#ifdef BSQ_HAS_NCCL
    if (tensor.is_cuda()) {
      return nccl_->allreduce(tensors);
    }
#endif
    return gloo_->allreduce(tensors);
  }

  template <typename Function>
  WorkPointer attempt(Function function) {
    try {
      return function();
    } catch (const std::exception& error) {
      explain(error);
    }
  }
  void finish(const WorkPointer& work) {
    const Operation operation(watch_->steps());
    try {
      work->wait();
    } catch (const std::exception& error) {
      explain(error);
    }
  }
  [[noreturn]] void explain(const std::exception& error) {
    watch_->explain("rank " + std::to_string(rank_) + ": another rank is lost: " + words_of(error));
  }

  int64_t rank_, count_;
  StorePointer store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
#ifdef BSQ_HAS_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
  std::unique_ptr<RankWatch> watch_;  // ends first: it says good-bye through the store
};

class TcpMeetingPoint : public MeetingPoint {
 public:
  TcpMeetingPoint() {
    c10d::TCPStoreOptions options;
    options.port = 0;
    options.isServer = true;
    options.waitWorkers = false;
    store_ = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  }
  uint16_t port() const override { return store_->getPort(); }

 private:
  c10::intrusive_ptr<c10d::TCPStore> store_;
};

}  // namespace

std::unique_ptr<JoinedRanks> JoinedRanks::join(const RankPlace& place, torch::Device device, Lost lost) {
  try {
    return std::make_unique<C10dRanks>(place, device, std::move(lost));
  } catch (const std::exception& error) {
    throw Error("rank " + std::to_string(place.rank) + " of " + std::to_string(place.count) +
                " cannot meet the others at " + place.host + ":" + std::to_string(place.port) + ": " +
                words_of(error));
  }
}

std::unique_ptr<MeetingPoint> MeetingPoint::open() {
  try {
    return std::make_unique<TcpMeetingPoint>();
  } catch (const std::exception& error) {
    throw Error("no meeting point for ranks on this machine: " + words_of(error));
  }
}

}  // namespace bsq

#else

namespace bsq {
namespace {

constexpr const char* kNone =
    "this build has no ranks: its libtorch comes without Gloo's headers; expected one with them, as Debian's "
    "with libgloo-dev";

}  // namespace

std::unique_ptr<JoinedRanks> JoinedRanks::join(const RankPlace&, torch::Device, Lost) { throw Error(kNone); }

std::unique_ptr<MeetingPoint> MeetingPoint::open() { throw Error(kNone); }

}  // namespace bsq

#endif

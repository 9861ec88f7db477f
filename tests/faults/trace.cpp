#include "tests/faults/trace.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace bsq::test {

std::vector<Call> read_trace(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<Call> calls;
  for (std::string line; std::getline(in, line);) {
    Call call;
    std::istringstream words(line);
    words >> call.name;
    if (call.name == "rename" || call.name == "link" || call.name == "unlink") {
      const auto paths = line.substr(call.name.size() + 1);
      const auto tab = paths.find('\t');
      call.path = paths.substr(0, tab);
      call.other = tab == std::string::npos ? "" : paths.substr(tab + 1);
    } else {
      words >> call.id;
      if (call.name == "create") {
        words >> call.path;
      } else {
        words >> call.number;
      }
    }
    if (call.name == "write") {
      size_t size = 0;
      words >> size;
      call.bytes.resize(size);
      in.read(call.bytes.data(), static_cast<std::streamsize>(size));
    }
    calls.push_back(call);
  }
  return calls;
}

void Disk::change(Names& names, const Call& call) {
  if (call.name == "create") {
    names[call.path] = call.id;
  } else if (call.name == "unlink") {
    names.erase(call.path);
  } else {
    names[call.other] = names[call.path];
    if (call.name == "rename") {
      names.erase(call.path);
    }
  }
}

void Disk::apply(const Call& call) {
  if (call.name == "write") {
    auto& bytes = files_[call.id].now;
    bytes.resize(std::max(bytes.size(), static_cast<size_t>(call.number) + call.bytes.size()));
    bytes.replace(static_cast<size_t>(call.number), call.bytes.size(), call.bytes);
  } else if (call.name == "truncate") {
    files_[call.id].now.resize(static_cast<size_t>(call.number));
  } else if (call.name == "sync" && call.id > 0) {
    files_[call.id].synced = files_[call.id].now;
  } else if (call.name == "sync") {
    for (const auto& one : pending_) {
      change(synced_names_, one);
    }
    pending_.clear();
  } else {
    pending_.push_back(call);
  }
}

std::map<std::string, std::string> Disk::after_power_loss(size_t kept) const {
  auto names = synced_names_;
  for (size_t i = 0; i < kept && i < pending_.size(); ++i) {
    change(names, pending_[i]);
  }
  std::map<std::string, std::string> contents;
  for (const auto& [path, id] : names) {
    const auto file = files_.find(id);
    contents[path] = file == files_.end() ? "" : file->second.synced;
  }
  return contents;
}

}  // namespace bsq::test

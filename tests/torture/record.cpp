#include "tests/torture/record.h"

#include <cstdio>
#include <fstream>

namespace bsq::torture {

Record read_record(const std::string& file) {
  Record record;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    long long epoch = 0;
    long long step = 0;
    if (std::sscanf(line.c_str(), "resumed at epoch %lld, step %lld", &epoch, &step) == 2) {
      record.resumed = {epoch, step};
    } else if (std::sscanf(line.c_str(), "epoch %lld  lr", &epoch) == 1) {
      record.last_epoch = epoch;
    }
  }
  return record;
}

std::string text_of(const Position& position) {
  return position == kNothing
             ? "nothing"
             : "epoch " + std::to_string(position.first) + ", step " + std::to_string(position.second);
}

}  // namespace bsq::torture

#include "bsq/io/checkpoint/checkpoint_compare.h"

#include <map>
#include <set>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/hdf5/hdf5_file.h"

namespace bsq {
namespace {

/// Everything in a file by name: the type's and shape's description, then the bytes.
using Contents = std::map<std::string, std::string>;

herr_t add_link(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->push_back(name);
  return 0;
}

herr_t add_attribute(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->push_back(name);
  return 0;
}

std::string encoded(const Hdf5Handle& object, herr_t (*encode)(hid_t, void*, size_t*), hid_t id) {
  size_t bytes = 0;
  object.check(encode(id, nullptr, &bytes), "describe it");
  std::string text(bytes, '\0');
  object.check(encode(id, text.data(), &bytes), "describe it");
  return text;
}

herr_t encode_space(hid_t id, void* buffer, size_t* bytes) { return H5Sencode(id, buffer, bytes); }

std::string description_of(const Hdf5Handle& object, hid_t type_id, hid_t space_id) {
  const Hdf5Handle type(type_id, H5Tclose, object.where(), "read the type");
  const Hdf5Handle space(space_id, H5Sclose, object.where(), "read the shape");
  return encoded(object, H5Tencode, type.id()) + encoded(object, encode_space, space.id());
}

void add_attributes(const Hdf5Handle& object, const std::string& path, Contents& contents) {
  std::vector<std::string> names;
  object.check(H5Aiterate2(object.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add_attribute, &names),
               "list attributes");
  for (const std::string& name : names) {
    const Hdf5Handle attribute(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), H5Aclose, object.where(),
                               "read an attribute");
    std::string bytes(H5Aget_storage_size(attribute.id()), '\0');
    const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose, object.where(), "read a type");
    attribute.check(H5Aread(attribute.id(), type.id(), bytes.data()), "read an attribute");
    contents[path + " " + name] =
        description_of(attribute, H5Aget_type(attribute.id()), H5Aget_space(attribute.id())) + bytes;
  }
}

void add_dataset(const Hdf5Handle& dataset, const std::string& path, Contents& contents) {
  std::string bytes(H5Dget_storage_size(dataset.id()), '\0');
  const Hdf5Handle type(H5Dget_type(dataset.id()), H5Tclose, dataset.where(), "read the type");
  if (!bytes.empty()) {
    dataset.check(H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "read it");
  }
  contents[path] = description_of(dataset, H5Dget_type(dataset.id()), H5Dget_space(dataset.id())) + bytes;
  add_attributes(dataset, path, contents);
}

void add_group(const Hdf5Handle& group, const std::string& path, Contents& contents) {
  add_attributes(group, path.empty() ? "/" : path, contents);
  std::vector<std::string> names;
  group.check(H5Literate(group.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add_link, &names), "list members");
  for (const std::string& name : names) {
    H5O_info_t info;
    group.check(H5Oget_info_by_name(group.id(), name.c_str(), &info, H5P_DEFAULT), "look at a member");
    if (info.type == H5O_TYPE_GROUP) {
      add_group(open_group(group, name), path + "/" + name, contents);
    } else {
      add_dataset(open_dataset(group, name), path + "/" + name, contents);
    }
  }
}

Contents contents_of(const std::string& path) {
  const Hdf5Session session;
  Contents contents;
  add_group(open_hdf5_file(path), "", contents);
  contents.erase("/ configuration");
  return contents;
}

std::map<std::string, double> without_clock(std::map<std::string, double> sums) {
  sums.erase("seconds");
  sums.erase("waited");
  return sums;
}

std::vector<EpochRecord> without_clock(const std::vector<std::string>& columns,
                                       std::vector<EpochRecord> history) {
  for (EpochRecord& record : history) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] == "Seconds" || columns[i] == "Wait %") record[i] = 0;
    }
  }
  return history;
}

void forgive_clock(const TrainingState& a, const TrainingState& b, std::set<std::string>& differences) {
  if (without_clock(a.sums) == without_clock(b.sums)) differences.erase("/training/sums");
  if (a.columns == b.columns && without_clock(a.columns, a.history) == without_clock(b.columns, b.history)) {
    differences.erase("/training/history");
  }
}

}  // namespace

std::vector<std::string> checkpoint_differences(const std::string& path, const std::string& other) {
  const Checkpoint a = read_checkpoint(path);
  const Checkpoint b = read_checkpoint(other);
  const Contents left = contents_of(path);
  const Contents right = contents_of(other);
  std::set<std::string> differences;
  for (const auto& [name, content] : left) {
    const auto found = right.find(name);
    if (found == right.end() || found->second != content) differences.insert(name);
  }
  for (const auto& named : right) {
    if (left.count(named.first) == 0) differences.insert(named.first);
  }
  if (a.training && b.training) forgive_clock(*a.training, *b.training, differences);
  return {differences.begin(), differences.end()};
}

}  // namespace bsq

#include "bsq/io/hdf5/hdf5_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <unordered_set>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/seal.h"

namespace bsq {
namespace {

Hdf5Handle make_properties(hid_t kind, const std::string& where) {
  return Hdf5Handle(H5Pcreate(kind), H5Pclose, where, "make HDF5 properties");
}

/// No file locks: a file is complete before it has its name, and some file systems have none.
Hdf5Handle access_properties(const std::string& where) {
  Hdf5Handle access = make_properties(H5P_FILE_ACCESS, where);
  access.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "set HDF5 properties");
#if H5_VERSION_GE(1, 10, 7)
  access.check(H5Pset_file_locking(access.id(), /*use_file_locking=*/false, /*ignore_when_disabled=*/true),
               "set HDF5 properties");
#endif
  return access;
}

void require_hard_link(const Hdf5Handle& parent, const std::string& name) {
  H5L_info_t info;
  if (H5Lget_info(parent.id(), name.c_str(), &info, H5P_DEFAULT) < 0) {
    throw Error(parent.where(name) + ": missing or unreadable");
  }
  if (info.type != H5L_TYPE_HARD) throw Error(parent.where(name) + ": is a link that is not a hard link");
}

/// What a walk over the links of a group gathers.
struct Members {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  std::string fault;  ///< what ended the walk
};

/// A name's fault, or that it is the second of its kind.
std::string add_member(Members& members, const std::string& name) {
  std::string fault = name_fault(name);
  if (fault.empty() && !members.seen.insert(name).second) fault = "occurs twice";
  if (!fault.empty()) return "the name '" + printable(name) + "' " + fault;
  members.names.push_back(name);
  return "";
}

herr_t visit_link(hid_t, const char* name, const H5L_info_t* info, void* visitor) {
  Members& members = *static_cast<Members*>(visitor);
  try {
    members.fault = add_member(members, name);
    if (members.fault.empty() && info->type != H5L_TYPE_HARD) {
      members.fault = std::string("the member '") + name + "' is a link that is not a hard link";
    }
    return members.fault.empty() ? 0 : 1;
  } catch (...) {
    return -1;
  }
}

}  // namespace

std::string name_fault(const std::string& name) {
  if (name.empty() || name == ".") return "names nothing";
  if (static_cast<int64_t>(name.size()) > kMaxNameBytes) return "is longer than 1024 bytes";
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~' && c != '/'; });
  return plain ? "" : "has a character other than printable ASCII without '/'";
}

Hdf5Handle create_hdf5_image(const std::string& path) {
  const Hdf5Handle access = access_properties(path);
  access.check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18), "set HDF5 properties");
  access.check(H5Pset_fapl_core(access.id(), /*increment=*/1 << 20, /*backing_store=*/false),
               "set HDF5 properties");
  const Hdf5Handle creation = make_properties(H5P_FILE_CREATE, path);
  creation.check(H5Pset_attr_phase_change(creation.id(), /*max_compact=*/64, /*min_dense=*/0),
                 "set HDF5 properties");
  creation.check(H5Pset_userblock(creation.id(), kSealBytes), "set HDF5 properties");
  const std::string name = path + ".image";  // HDF5 wants one, and would read a file that has it
  return Hdf5Handle(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose,
                    path + ": /", "make an HDF5 file in memory");
}

void save_hdf5_image(const Hdf5Handle& image, const std::string& path, const std::string& previous) {
  image.check(H5Fflush(image.id(), H5F_SCOPE_GLOBAL), "finish the HDF5 file in memory");
  const ssize_t bytes =
      image.check(H5Fget_file_image(image.id(), /*buf_ptr=*/nullptr, 0), "measure the HDF5 file");
  void** memory = nullptr;
  image.check(H5Fget_vfd_handle(image.id(), H5P_DEFAULT, reinterpret_cast<void**>(&memory)),
              "find the HDF5 file");
  const std::string_view content(static_cast<const char*>(*memory) + kSealBytes, static_cast<size_t>(bytes));
  const auto verify = [&](const std::string& temporary) {
    check_seal(temporary);
    open_hdf5_file(temporary);
  };
  write_bytes_atomically(path, {make_seal(content.data(), content.size()), content}, {verify, previous});
}

Hdf5Handle open_hdf5_file(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) throw Error("cannot open " + path + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw Error(path + ": not a regular file, expected an HDF5 file");
  const htri_t is_hdf5 = H5Fis_hdf5(path.c_str());
  if (is_hdf5 < 0) throw Error("cannot open " + path + ": " + hdf5_reason());
  if (is_hdf5 == 0) throw Error(path + ": not an HDF5 file");
  const Hdf5Handle access = access_properties(path);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) throw Error("cannot open " + path + ": " + hdf5_reason());
  return Hdf5Handle(id, H5Fclose, path + ": /", "open");
}

Hdf5Handle create_group(const Hdf5Handle& parent, const std::string& name,
                        const std::vector<std::string>& members) {
  Members checked;
  size_t bytes = 0;
  for (const std::string& member : members) {
    const std::string fault = add_member(checked, member);
    if (!fault.empty()) throw std::invalid_argument(parent.where(name) + ": " + fault);
    bytes += member.size();
  }
  if (static_cast<int64_t>(members.size()) > kMaxGroupMembers) {
    throw std::invalid_argument(parent.where(name) + ": more than 100000 members");
  }
  const Hdf5Handle creation = make_properties(H5P_GROUP_CREATE, parent.where(name));
  creation.check(H5Pset_link_creation_order(creation.id(), H5P_CRT_ORDER_TRACKED), "set HDF5 properties");
  // A link takes least space in the group's header. Moving many from there later is very slow, so it is
  // decided now.
  constexpr size_t kMaxCompact = 1024;
  const bool compact = members.size() <= kMaxCompact;
  creation.check(H5Pset_link_phase_change(creation.id(), compact ? kMaxCompact : 0, /*min_dense=*/0),
                 "set HDF5 properties");
  if (compact && !members.empty()) {
    const unsigned count = static_cast<unsigned>(members.size());
    const unsigned average = static_cast<unsigned>((bytes + count - 1) / count);
    creation.check(H5Pset_est_link_info(creation.id(), count, average), "set HDF5 properties");
  }
  return Hdf5Handle(H5Gcreate2(parent.id(), name.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose,
                    parent.where(name), "create the group");
}

bool has_member(const Hdf5Handle& parent, const std::string& name) {
  return parent.check(H5Lexists(parent.id(), name.c_str(), H5P_DEFAULT), "look for a member") > 0;
}

Hdf5Handle open_group(const Hdf5Handle& parent, const std::string& name) {
  require_hard_link(parent, name);
  return Hdf5Handle(H5Gopen2(parent.id(), name.c_str(), H5P_DEFAULT), H5Gclose, parent.where(name),
                    "open it as a group");
}

Hdf5Handle open_dataset(const Hdf5Handle& parent, const std::string& name) {
  require_hard_link(parent, name);
  return Hdf5Handle(H5Dopen2(parent.id(), name.c_str(), H5P_DEFAULT), H5Dclose, parent.where(name),
                    "open it as a dataset");
}

std::vector<std::string> member_names(const Hdf5Handle& group) {
  H5G_info_t info;
  group.check(H5Gget_info(group.id(), &info), "read the group");
  if (info.nlinks > static_cast<hsize_t>(kMaxGroupMembers)) {
    group.fail("has " + std::to_string(info.nlinks) + " members, expected at most 100000");
  }
  const Hdf5Handle creation(H5Gget_create_plist(group.id()), H5Pclose, group.where(), "read the group");
  unsigned order = 0;
  group.check(H5Pget_link_creation_order(creation.id(), &order), "read the group");
  if ((order & H5P_CRT_ORDER_TRACKED) == 0)
    group.fail("does not keep the order of its members (track_order)");
  Members members;
  const herr_t status =
      H5Literate(group.id(), H5_INDEX_CRT_ORDER, H5_ITER_INC, /*idx=*/nullptr, visit_link, &members);
  group.check(status, "list the members");
  if (!members.fault.empty()) group.fail(members.fault);
  return std::move(members.names);
}

}  // namespace bsq

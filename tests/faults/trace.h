#pragma once

#include <map>
#include <string>
#include <vector>

namespace bsq::test {

/// One line of what the preloaded library records: a call that changed files below its folder.
///     create ID PATH; write ID OFFSET SIZE, then the bytes; truncate ID SIZE; sync ID (0: a folder);
///     rename FROM TAB TO; link FROM TAB TO; unlink PATH
struct Call {
  std::string name;
  long id = 0;
  long number = 0;  ///< offset or size
  std::string path, bytes;
  std::string other;  ///< the second path
};

std::vector<Call> read_trace(const std::string& path);

/// What a disk holds while calls come in. Data counts once it has been synced, names once the folder has.
class Disk {
 public:
  void apply(const Call& call);

  /// Changes of names that no sync has made last.
  size_t pending() const { return pending_.size(); }
  /// Files by path after a power loss at this moment, in which the first `kept` pending changes of names came
  /// through. The data of a file is that of its last sync: a file that was never synced is empty.
  std::map<std::string, std::string> after_power_loss(size_t kept) const;

 private:
  struct File {
    std::string now, synced;
  };
  using Names = std::map<std::string, long>;
  static void change(Names& names, const Call& call);

  std::map<long, File> files_;
  Names synced_names_;
  std::vector<Call> pending_;
};

}  // namespace bsq::test

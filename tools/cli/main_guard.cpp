#include "tools/cli/main_guard.h"

#include <c10/util/Exception.h>

#include <iostream>
#include <string>

#include "bsq/base/error.h"
#include "bsq/methods/methods.h"
#include "tools/cli/command_line.h"
#include "tools/cli/descriptors.h"
#include "tools/cli/notice.h"
#include "tools/cli/program_name.h"
#include "tools/cli/record.h"
#include "tools/cli/signals.h"

namespace bsq::cli {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int report(const std::string& name, const std::string& what, int status) {
  std::cout.flush();
  complain(name + ": " + first_line(what));
  return status;
}

// A tool whose record is incomplete has not done all.
int with_record(int status) {
  check_record();
  return status == 0 && !is_record_complete() ? 1 : status;
}

}  // namespace

int guarded_main(const char* name, int argc, const char* const* argv, const std::function<int()>& tool) {
  remember_command_line(argc, argv);
  open_closed_descriptors();
  make_file_limits_errors();
  register_methods();
  const auto called = called_name(name);
  try {
    return with_record(tool());
  } catch (const HelpRequest& help) {
    std::cout << help.text;
    return with_record(0);
  } catch (const OptionError& error) {
    return report(called, first_line(error.what()) + " (see " + called + " --help)", 2);
  } catch (const c10::Error& error) {
    return report(called, error.what_without_backtrace(), 1);
  } catch (const std::bad_alloc&) {
    return report(called, "out of memory", 1);
  } catch (const std::exception& error) {
    return report(called, error.what(), 1);
  }
}

}  // namespace bsq::cli

#include "tools/cli/main_guard.h"

#include <c10/util/Exception.h>

#include <iostream>
#include <string>

#include "bsq/error.h"
#include "tools/cli/command_line.h"

namespace bsq::cli {
namespace {

int report(const char* name, const std::string& what, int status) {
  std::cout.flush();
  std::cerr << name << ": " << what.substr(0, what.find('\n')) << std::endl;
  return status;
}

}  // namespace

int guarded_main(const char* name, const std::function<int()>& tool) {
  try {
    return tool();
  } catch (const HelpRequest& help) {
    std::cout << help.text << std::flush;
    return 0;
  } catch (const UsageError& error) {
    return report(name, error.what(), 2);
  } catch (const c10::Error& error) {
    return report(name, error.what_without_backtrace(), 1);
  } catch (const std::bad_alloc&) {
    return report(name, "out of memory", 1);
  } catch (const std::exception& error) {
    return report(name, error.what(), 1);
  }
}

}  // namespace bsq::cli

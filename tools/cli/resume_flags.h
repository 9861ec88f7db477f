#pragma once

#include <boost/program_options.hpp>
#include <set>
#include <string>

namespace bsq::cli {

/// The names in a list that commas separate.
std::set<std::string> names_of(const std::string& list);

/// The options of a run that --resume takes up: those that the checkpoint in the folder of --checkpoint
/// holds; from `given` only the folder, how much longer the run goes on, how the machine is used, what is
/// saved when, and what --override-resume names. `all` describes the options. Throws UsageError, showing
/// every difference, where anything else that is given differs, and bsq::Error for files.
boost::program_options::variables_map resumed_values(const boost::program_options::variables_map& given,
                                                     const boost::program_options::options_description& all);

}  // namespace bsq::cli

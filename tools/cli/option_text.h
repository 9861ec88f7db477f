#pragma once

#include <boost/program_options.hpp>
#include <string>

namespace bsq::cli {

/// A number as it was meant: 0.1, not 0.10000000000000001.
std::string shortest(double value);

/// An option and its value as a preset has them: "lr = 0.1\n", a line for each item of a list.
std::string ini_of(const std::string& name, const boost::program_options::variable_value& value);

/// Throws UsageError for a text that would not be the same when it is read from there: one with a '#', a line
/// break, a blank at an end.
void require_ini_can_hold(const std::string& name, const boost::program_options::variable_value& value);

/// The same as ini_of() on one line.
std::string ini_line_of(const std::string& name, const boost::program_options::variable_value& value);

}  // namespace bsq::cli

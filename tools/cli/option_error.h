#pragma once

#include <boost/program_options.hpp>
#include <string>

namespace bsq::cli {

/// What an error of Boost's says. Its what() puts the user's text in place of %value% and the like for as
/// long as it finds one, so that a text which holds one keeps it busy for ever: two percent signs in a text
/// become question marks.
std::string message_of(boost::program_options::error& error);

}  // namespace bsq::cli

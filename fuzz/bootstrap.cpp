// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/bootstrap.h"

#include <google/protobuf/util/json_util.h>

#include <cstring>

#include "fuzz/message_mutator.h"
#include "fuzz/no_new_files.h"
#include "fuzz/quiet.h"
#include "fuzz/require.h"

using fuzz::require;

// A bootstrap file, as `seine-proxy --mode validate` reads it. What is wrong is told in words, and what was read means
// the same when it is written as JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text_of(data, size));
  // Other files are not part of the input.
  for (const char* word : {"filename", "watched_directory", "path_config_source"})
    if (text.find(word) != text.npos) return 0;
  auto bootstrap = proxy::parse_bootstrap(text, proxy::UnknownFields::Refuse);
  auto leniently = proxy::parse_bootstrap(text, proxy::UnknownFields::Ignore);
  if (!bootstrap) {
    require(!bootstrap.error().message.empty());
    if (!leniently) return 0;
    auto good = proxy::validate(*leniently);
    require(good || !good.error().message.empty());
    return 0;
  }
  require(leniently && leniently->SerializeAsString().size() == bootstrap->SerializeAsString().size());
  auto good = proxy::validate(*bootstrap);
  require(good || !good.error().message.empty());
  return 0;
}

// Mostly as the schema goes, sometimes as text.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, most);
  auto bootstrap = proxy::parse_bootstrap(std::string(fuzz::text_of(data, size)), proxy::UnknownFields::Ignore);
  if (!bootstrap) return LLVMFuzzerMutate(data, size, most);
  fuzz::MessageMutator(seed).mutate(*bootstrap);
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(*bootstrap, &text).ok() || text.size() > most)
    return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace localkube {

// All that a shim must know to run one container: names resolved, variables
// expanded, volumes there as directories. Paths that are relative are so to the
// state directory.
struct ContainerSpec {
  std::string name;
  int attempt = 0;
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "NAME=value"
  std::string working_dir = "/";
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  std::vector<std::string> capabilities;  // all that it has: "NET_ADMIN"
  bool read_only_root = false;
  bool tty = false;
  bool in = false;       // standard input is a pipe (or the terminal), else /dev/null
  bool in_once = false;  // it ends with the first client's

  struct Mount {
    std::string source;
    std::string sub_path;  // below source
    bool made = false;     // pods write to it: sub_path is made if missing, and must not lead through a link
    std::string target;
    bool read_only = false;
  };
  std::vector<Mount> mounts;
  std::map<std::string, std::string> files;  // under /etc: {"hosts", "..."}
  std::vector<std::string> programs;         // of the host, to appear in /usr/local/bin
  std::vector<std::string> cgroups;          // files that a process writes "0" to, to be limited (process/cgroups.h)
  std::string staging;                       // an empty directory, to put the root together on
  std::string log;                           // file to append to
  std::string message_file;                  // on the host, ...
  std::string message_path;                  // ... where the container writes its last words
};

base::Json json_of(const ContainerSpec& spec);
ContainerSpec container_spec_of(const base::Json& json);

// Numbers of the capabilities that may be granted; nullopt for all others.
std::optional<int> capability_number(std::string_view name);

}  // namespace localkube

// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/spec.h"

#include <linux/capability.h>

#include "localkube/fields.h"

namespace localkube {

base::Json json_of(const ContainerSpec& spec) {
  base::Json mounts = base::Json::array();
  for (const ContainerSpec::Mount& mount : spec.mounts)
    mounts.push_back({{"source", mount.source},
                      {"sub_path", mount.sub_path},
                      {"made", mount.made},
                      {"target", mount.target},
                      {"read_only", mount.read_only}});
  return {{"name", spec.name},
          {"attempt", spec.attempt},
          {"argv", spec.argv},
          {"env", spec.env},
          {"working_dir", spec.working_dir},
          {"uid", spec.uid},
          {"gid", spec.gid},
          {"groups", spec.groups},
          {"capabilities", spec.capabilities},
          {"read_only_root", spec.read_only_root},
          {"tty", spec.tty},
          {"in", spec.in},
          {"in_once", spec.in_once},
          {"mounts", std::move(mounts)},
          {"files", spec.files},
          {"programs", spec.programs},
          {"cgroups", spec.cgroups},
          {"staging", spec.staging},
          {"log", spec.log},
          {"message_file", spec.message_file},
          {"message_path", spec.message_path}};
}

static std::vector<std::string> strings(const base::Json& json, const char* key) {
  std::vector<std::string> out;
  for (const base::Json& item : items(json, key))
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

ContainerSpec container_spec_of(const base::Json& json) {
  ContainerSpec spec{.name = string_at(json, "name"),
                     .attempt = static_cast<int>(number(json, "attempt")),
                     .argv = strings(json, "argv"),
                     .env = strings(json, "env"),
                     .working_dir = string_at(json, "working_dir"),
                     .uid = static_cast<uint32_t>(number(json, "uid")),
                     .gid = static_cast<uint32_t>(number(json, "gid")),
                     .capabilities = strings(json, "capabilities"),
                     .read_only_root = truth(json, "read_only_root"),
                     .tty = truth(json, "tty"),
                     .in = truth(json, "in"),
                     .in_once = truth(json, "in_once"),
                     .programs = strings(json, "programs"),
                     .cgroups = strings(json, "cgroups"),
                     .staging = string_at(json, "staging"),
                     .log = string_at(json, "log"),
                     .message_file = string_at(json, "message_file"),
                     .message_path = string_at(json, "message_path")};
  for (const base::Json& group : items(json, "groups"))
    if (group.is_number()) spec.groups.push_back(group.get<uint32_t>());
  for (const base::Json& mount : items(json, "mounts"))
    spec.mounts.push_back({.source = string_at(mount, "source"),
                           .sub_path = string_at(mount, "sub_path"),
                           .made = truth(mount, "made"),
                           .target = string_at(mount, "target"),
                           .read_only = truth(mount, "read_only")});
  for (const auto& [path, text] : fields(json, "files").items())
    if (text.is_string()) spec.files[path] = text.get<std::string>();
  return spec;
}

std::optional<int> capability_number(std::string_view name) {
  // None that reaches out of the pod: no devices, no mounts, no tracing.
  static constexpr std::pair<std::string_view, int> kGrantable[] = {
      {"CHOWN", CAP_CHOWN},     {"DAC_OVERRIDE", CAP_DAC_OVERRIDE},
      {"FOWNER", CAP_FOWNER},   {"FSETID", CAP_FSETID},
      {"KILL", CAP_KILL},       {"NET_ADMIN", CAP_NET_ADMIN},
      {"NET_RAW", CAP_NET_RAW}, {"NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
      {"SETGID", CAP_SETGID},   {"SETUID", CAP_SETUID},
      {"SETPCAP", CAP_SETPCAP}, {"SYS_CHROOT", CAP_SYS_CHROOT},
  };
  if (name.starts_with("CAP_")) name.remove_prefix(4);
  for (const auto& [known, number] : kGrantable)
    if (known == name) return number;
  return std::nullopt;
}

}  // namespace localkube

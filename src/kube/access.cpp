// SPDX-License-Identifier: Apache-2.0
#include "kube/access.h"

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace kube {

using base::ErrorKind;
using base::Json;

// A kubeconfig may be a pipe: --kubeconfig <(...).
static base::Result<std::string> read_file(const std::string& path) {
  return base::read_file(path, base::kLargestFile, base::Pipes::Wait);
}

// The entry of a list of {name, KEY: {...}} with that name.
static base::Result<Json> named(const Json& config, const char* list, const char* key, std::string_view name) {
  if (const Json* entries = base::find(config, list); entries && entries->is_array())
    for (const Json& entry : *entries)
      if (base::text(entry, "name") == name)
        if (const Json* value = base::find(entry, key)) return *value;
  return base::fail(ErrorKind::NotFound, "kubeconfig: no " + std::string(key) + " \"" + std::string(name) + "\"");
}

// FIELD-data (base64) or FIELD (a file); empty where neither is written.
static base::Result<std::string> pem(const Json& entry, const std::string& field, const std::string& directory) {
  if (std::string_view data = base::text(entry, field + "-data"); !data.empty()) {
    auto decoded = base::from_base64(data);
    if (!decoded) return base::fail(ErrorKind::Invalid, "kubeconfig: " + field + "-data is not base64");
    return *decoded;
  }
  std::string_view file = base::text(entry, field);
  if (file.empty()) return std::string();
  return read_file(std::filesystem::path(directory) / file);
}

static base::Result<void> parse_server(std::string_view url, Access& access) {
  access.tls = url.starts_with("https://");
  if (!access.tls && !url.starts_with("http://"))
    return base::fail(ErrorKind::Invalid,
                      "kubeconfig: server \"" + std::string(url) + "\" is not an http or https URL");
  url.remove_prefix(access.tls ? 8 : 7);
  size_t slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  if (slash != url.npos) access.path_prefix = url.substr(slash);
  while (access.path_prefix.ends_with('/')) access.path_prefix.pop_back();
  access.port = access.tls ? 443 : 80;
  size_t colon = authority.rfind(':');
  if (colon != authority.npos && authority.find(']', colon) == authority.npos) {
    auto port = base::parse_number<uint16_t>(authority.substr(colon + 1));
    if (!port) return base::fail(ErrorKind::Invalid, "kubeconfig: bad port in server \"" + std::string(url) + "\"");
    access.port = *port;
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  access.host = authority;
  return {};
}

base::Result<Access> access_of(std::string_view kubeconfig, std::string_view context, const std::string& directory) {
  auto documents = TRY(base::parse_yaml(kubeconfig));
  if (documents.size() != 1) return base::fail(ErrorKind::Invalid, "kubeconfig: expected one document");
  const Json& config = documents[0];
  std::string_view current = context.empty() ? base::text(config, "current-context") : context;
  if (current.empty()) return base::fail(ErrorKind::Invalid, "kubeconfig: no current-context; name one with --context");
  Json chosen = TRY(named(config, "contexts", "context", current));
  Json cluster = TRY(named(config, "clusters", "cluster", base::text(chosen, "cluster")));
  Json user = TRY(named(config, "users", "user", base::text(chosen, "user")));

  Access access;
  TRY(parse_server(base::text(cluster, "server"), access));
  access.server_name = base::text(cluster, "tls-server-name");
  access.roots = TRY(pem(cluster, "certificate-authority", directory));
  const Json* insecure = base::find(cluster, "insecure-skip-tls-verify");
  access.insecure = insecure && insecure->is_boolean() && insecure->get<bool>();
  access.certificate = TRY(pem(user, "client-certificate", directory));
  access.key = TRY(pem(user, "client-key", directory));
  access.token = base::text(user, "token");
  access.token_file = base::text(user, "tokenFile");
  for (const char* field : {"exec", "auth-provider"})
    if (base::find(user, field))
      return base::fail(ErrorKind::Invalid, std::string("kubeconfig: users[].user.") + field +
                                                " is not supported; use a token or a client certificate");
  if (std::string_view ns = base::text(chosen, "namespace"); !ns.empty()) access.ns = ns;
  return access;
}

base::Result<Access> in_cluster() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (!host || !port) return base::fail(ErrorKind::NotFound, "not in a pod: KUBERNETES_SERVICE_HOST is not set");
  const std::string mount = "/var/run/secrets/kubernetes.io/serviceaccount/";
  Access access;
  access.host = host;
  access.port = base::parse_number<uint16_t>(port).value_or(443);
  access.roots = TRY(read_file(mount + "ca.crt"));
  access.token_file = mount + "token";
  if (auto ns = read_file(mount + "namespace")) access.ns = base::trim(*ns);
  return access;
}

base::Result<Access> find_access(const std::string& file, const std::string& context) {
  std::vector<std::string> candidates;
  if (!file.empty()) {
    candidates = {file};
  } else if (const char* list = std::getenv("KUBECONFIG"); list && *list) {
    for (std::string_view one : base::split(list, ':')) candidates.emplace_back(one);
  } else if (const char* home = std::getenv("HOME")) {
    candidates = {std::string(home) + "/.kube/config"};
  }
  for (const std::string& candidate : candidates) {
    if (!std::filesystem::exists(candidate)) continue;
    std::string text = TRY(read_file(candidate));
    return access_of(text, context, std::filesystem::path(candidate).parent_path());
  }
  if (!file.empty()) return base::fail(ErrorKind::NotFound, "kubeconfig " + file + " does not exist");
  if (auto pod = in_cluster()) return pod;
  return base::fail(ErrorKind::NotFound,
                    "no Kubernetes cluster configured: run `seine up` and `eval \"$(seine env)\"`, or set KUBECONFIG");
}

}  // namespace kube

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace kube {

// How to reach one API server, and as whom. PEM texts, not files; only a token
// may name a file, because it rotates.
struct Access {
  std::string host;
  uint16_t port = 443;
  bool tls = true;
  std::string path_prefix;  // of the server's URL, without a trailing slash
  std::string server_name;  // that the certificate must carry; empty: host
  std::string roots;        // to trust; empty only with `insecure`
  bool insecure = false;    // insecure-skip-tls-verify, where the user wrote it
  std::string certificate;
  std::string key;
  std::string token;
  std::string token_file;  // read again for each request; wins over token
  std::string ns = "default";
};

// A kubeconfig's text; relative file names are taken from `directory`. An empty
// context means current-context. Errors name the entry that is missing.
base::Result<Access> access_of(std::string_view kubeconfig, std::string_view context, const std::string& directory);

// Looks where kubectl does: the file named, else $KUBECONFIG (first file that
// exists), else ~/.kube/config, else the pod's own service account.
base::Result<Access> find_access(const std::string& file = {}, const std::string& context = {});

// The service account that Kubernetes mounts into a pod.
base::Result<Access> in_cluster();

}  // namespace kube

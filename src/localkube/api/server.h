// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "localkube/api/api.h"
#include "net/address.h"
#include "net/loop.h"

namespace localkube {

struct ApiServerOptions {
  std::string state_dir;                          // holds store.db, pki/ and kubeconfig; made if missing
  std::string service_cluster_ip = "10.200.0.1";  // of Service default/kubernetes, in the certificate
  std::string service_range = "10.200.0.0/16";    // clusterIPs
  uint16_t node_port_first = 30000;
  uint16_t node_port_last = 32767;
  std::vector<std::string> more_names;  // further DNS names or addresses for the serving certificate
  size_t watch_history = 10'000;        // changes kept for watches that resume
  size_t watch_bytes = 4u << 20;        // that may wait for one watch whose client does not read
};

// A service account's token, as TokenRequest and projected volumes want it.
struct TokenOrder {
  std::string ns;
  std::string service_account;
  std::vector<std::string> audiences;  // none: the API server itself
  std::chrono::seconds lifetime{3600};
  std::string pod_name;  // bound to this pod where set
  std::string pod_uid;
};
struct Token {
  std::string text;
  std::chrono::system_clock::time_point expires;
};

// The Kubernetes API of one machine: store, admission and the HTTPS front. All
// of it lives on one loop. At open() the store is read; where it is new, the
// namespaces default, kube-system, kube-public and kube-node-lease are made.
//
// Left to controllers that work through api(): emptying a Terminating namespace
// and then removing "kubernetes" from its spec.finalizers (patch of subresource
// "finalize"), garbage collection by ownerReferences (including the finalizers
// "foregroundDeletion" and "orphan"), endpoints, addresses of LoadBalancers,
// service account "default" and ConfigMap kube-root-ca.crt of each namespace.
class ApiServer {
 public:
  static base::Result<std::unique_ptr<ApiServer>> open(net::Loop& loop, ApiServerOptions options);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;

  Api& api();
  // For pods/{log,exec,attach,portforward}; until set, these answer 503. Outlives this.
  void set_pod_streams(PodStreams& streams);

  // HTTPS; may be called several times. Port 0 picks one, which is returned.
  base::Result<net::Address> listen(const net::Address& address);
  base::Result<net::Address> adopt(int listening_fd);  // a socket that listens already; owned from here

  // PEM, for ca.crt and ConfigMap kube-root-ca.crt.
  const std::string& ca_certificate() const;
  // STATE/kubeconfig (mode 0600): context "seine", admin certificate, this server URL. Returns its path.
  base::Result<std::string> write_kubeconfig(const std::string& server_url);
  // Refuses where the service account, or the pod, is not there.
  Answer<Token> issue_token(const TokenOrder& order) const;

 private:
  struct Parts;
  explicit ApiServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace localkube

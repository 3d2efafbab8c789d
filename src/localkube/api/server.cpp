// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/server.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "base/strings.h"
#include "http/server.h"
#include "localkube/api/auth/kubeconfig.h"
#include "localkube/api/auth/pki.h"
#include "localkube/api/auth/tokens.h"
#include "localkube/api/event_expiry.h"
#include "localkube/api/registry.h"
#include "localkube/api/rest/front.h"
#include "localkube/process/files.h"
#include "net/tls.h"

namespace localkube {

namespace {

std::vector<std::string> names_of(const ApiServerOptions& options) {
  std::vector<std::string> names = {"127.0.0.1",
                                    "::1",
                                    "localhost",
                                    "10.10.0.1",
                                    options.service_cluster_ip,
                                    "kubernetes",
                                    "kubernetes.default",
                                    "kubernetes.default.svc",
                                    "kubernetes.default.svc.cluster.local"};
  names.insert(names.end(), options.more_names.begin(), options.more_names.end());
  return names;
}

net::Task<void> make_namespace(Registry& registry, std::string name) {
  objects::Resource resource{"", "v1", "namespaces"};
  objects::Object object(Json{{"metadata", {{"name", name}}}});
  auto made = co_await registry.create(std::move(resource), std::move(object));
  (void)made;
}

}  // namespace

struct ApiServer::Parts {
  net::Loop& loop;
  ApiServerOptions options;
  Pki pki;
  std::unique_ptr<Store> store;
  Catalog catalog;
  Allocator allocator;
  Admission admission;
  Registry registry;
  Tokens tokens;
  Rbac rbac;
  Front front;
  EventExpiry event_expiry;
  std::shared_ptr<const net::TlsContext> tls;
  std::unique_ptr<http::Server> server;

  Parts(net::Loop& loop, ApiServerOptions given, Pki keys, std::unique_ptr<Store> opened, Allocator::Ranges ranges)
      : loop(loop),
        options(std::move(given)),
        pki(std::move(keys)),
        store(std::move(opened)),
        allocator(*store, ranges),
        admission(loop, *store),
        registry(loop, *store, catalog, allocator, admission),
        tokens(*store, pki.account_key),
        rbac(*store),
        front(loop, registry, tokens, rbac, options.watch_bytes),
        event_expiry(loop, *store) {}
};

ApiServer::ApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ApiServer::~ApiServer() = default;

base::Result<std::unique_ptr<ApiServer>> ApiServer::open(net::Loop& loop, ApiServerOptions options) {
  std::error_code failed;
  std::filesystem::create_directories(options.state_dir, failed);
  if (failed) return base::fail(base::ErrorKind::Unavailable, "make " + options.state_dir + ": " + failed.message());
  ::chmod(options.state_dir.c_str(), 0700);
  auto ranges = TRY(Allocator::Ranges::parse(options.service_range, options.node_port_first, options.node_port_last));
  Pki pki = TRY(Pki::open(options.state_dir + "/pki", names_of(options)));
  Store::Options kept;
  kept.history = options.watch_history;
  auto store = TRY(Store::open(loop, options.state_dir + "/store.db", kept));

  net::TlsSettings settings;
  settings.certificate_chain = pki.server_certificate;
  settings.private_key = pki.server_key;
  settings.trusted_roots = pki.ca_certificate;
  settings.alpn = {"http/1.1"};
  auto tls = TRY(net::TlsContext::server(settings));

  auto parts = std::make_unique<Parts>(loop, std::move(options), std::move(pki), std::move(store), ranges);
  parts->tls = std::move(tls);
  http::ServerOptions serving;
  serving.tls = parts->tls;
  parts->server = std::make_unique<http::Server>(
      loop,
      [&front = parts->front](std::shared_ptr<http::Exchange> exchange) { return front.handle(std::move(exchange)); },
      serving);
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"})
    if (!parts->store->find("namespaces", "", name)) net::spawn(make_namespace(parts->registry, name));
  parts->store->flush();
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(parts)));
}

Api& ApiServer::api() { return parts_->registry; }
void ApiServer::set_pod_streams(PodStreams& streams) { parts_->front.set_pod_streams(streams); }

base::Result<net::Address> ApiServer::listen(const net::Address& address) { return parts_->server->listen(address); }
base::Result<net::Address> ApiServer::adopt(int listening_fd) { return parts_->server->adopt(listening_fd); }

const std::string& ApiServer::ca_certificate() const { return parts_->pki.ca_certificate; }

base::Result<std::string> ApiServer::write_kubeconfig(const std::string& server_url) {
  std::string path = parts_->options.state_dir + "/kubeconfig";
  KubeconfigEntries entries{
      .cluster = {{"server", server_url}, {"certificate-authority-data", base::to_base64(parts_->pki.ca_certificate)}},
      .user = {{"client-certificate-data", base::to_base64(parts_->pki.admin_certificate)},
               {"client-key-data", base::to_base64(parts_->pki.admin_key)}}};
  std::string before = base::read_file(path).value_or(""), text = kubeconfig_with(before, entries);
  if (text == before) return path;
  TRY(write_private_file(path, text));
  return path;
}

Answer<Token> ApiServer::issue_token(const TokenOrder& order) const { return parts_->tokens.issue(order); }

}  // namespace localkube

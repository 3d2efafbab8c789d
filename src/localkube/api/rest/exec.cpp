// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/streaming/clients.h"

namespace localkube {

namespace {

// The first of ours that the client offers, or empty.
std::string chosen(const std::vector<std::string>& ours, const std::string& offered) {
  for (const std::string& one : ours)
    for (std::string_view theirs : base::split(offered, ','))
      if (base::trim(theirs) == one) return one;
  return {};
}

bool wants_spdy(const http::RequestHead& head) {
  return base::to_lower(head.headers.get("upgrade").value_or("")) == "spdy/3.1";
}

Refusal needs_upgrade() { return bad_request("Upgrade request required"); }

// The container that is meant: the one that is named, the annotated default, or the first.
Answer<std::string> container_of(const Json& pod, const std::string& asked) {
  std::vector<std::string> names;
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"})
    for (const Json& container : items(pod, "spec", list)) names.push_back(string_at(container, "name"));
  std::string name = asked;
  if (name.empty()) name = string_at(pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container");
  if (name.empty() && !names.empty()) name = names.front();
  if (std::find(names.begin(), names.end(), name) == names.end())
    return std::unexpected(
        bad_request("container " + name + " is not valid for pod " + string_at(pod, "metadata", "name")));
  return name;
}

Answer<PodStreams::ExecOptions> options_of(Services& services, const RestRequest& request) {
  Answer<objects::Object> pod = services.registry.read(request.target);
  if (!pod) return std::unexpected(std::move(pod.error()));
  PodStreams::ExecOptions options;
  options.container = TRY(container_of(pod->json(), request.text("container")));
  options.in = request.flag("stdin");
  options.out = request.flag("stdout");
  options.err = request.flag("stderr");
  options.tty = request.flag("tty");
  if (request.target.subresource == "exec") {
    options.command = http::query_parameters(request.query, "command");
    if (options.command.empty()) return std::unexpected(bad_request("you must specify at least 1 command to execute"));
  }
  if (!options.in && !options.out && !options.err)
    return std::unexpected(bad_request("you must specify at least 1 of stdin, stdout, stderr"));
  if (base::text(pod->spec(), "nodeName").empty())
    return std::unexpected(bad_request("pod " + request.target.name + " does not have a host assigned"));
  if (!services.streams) return std::unexpected(unavailable("the pod runtime is not ready"));
  return options;
}

Answer<PodStreams::LogOptions> log_options(const RestRequest& request) {
  PodStreams::LogOptions options;
  options.tail_lines = TRY(request.number("tailLines"));
  options.limit_bytes = TRY(request.number("limitBytes"));
  options.since_seconds = TRY(request.number("sinceSeconds"));
  options.follow = request.flag("follow");
  options.previous = request.flag("previous");
  options.timestamps = request.flag("timestamps");
  Problems problems;
  auto at_least = [&](const char* name, const std::optional<int64_t>& value, int64_t least) {
    if (value && *value < least)
      problems.invalid(name, std::to_string(*value),
                       least == 0 ? "must be greater than or equal to 0" : "must be greater than 0");
  };
  at_least("tailLines", options.tail_lines, 0);
  at_least("limitBytes", options.limit_bytes, 1);
  at_least("sinceSeconds", options.since_seconds, 1);
  if (std::string since = request.text("sinceTime"); !since.empty()) {
    auto time = parse_time(since);
    if (!time)
      return std::unexpected(bad_request("sinceTime: parsing time " + in_quotes(since) + " as RFC 3339 failed"));
    if (options.since_seconds)
      problems.forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified");
    options.since_time = *time;
  }
  if (!problems.empty()) return std::unexpected(invalid({"", "v1", "PodLogOptions"}, request.target.name, problems));
  return options;
}

}  // namespace

net::Task<void> serve_exec(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  Answer<PodStreams::ExecOptions> options = options_of(services, request);
  const http::RequestHead& head = exchange->request();
  bool socket = http::WebSocket::is_websocket(head), spdy_asked = wants_spdy(head);
  if (options && !socket && !spdy_asked) options = std::unexpected(needs_upgrade());
  std::string protocol =
      socket ? chosen({"v5.channel.k8s.io", "v4.channel.k8s.io"}, head.headers.joined("sec-websocket-protocol"))
             : chosen({"v4.channel.k8s.io"}, head.headers.joined("x-stream-protocol-version"));
  if (options && protocol.empty())
    options = std::unexpected(Refusal{403, "Forbidden", "unable to upgrade: no stream protocol in common", {}});
  if (!options) {
    respond_refusal(*exchange, options.error());
    co_return;
  }
  bool attached = request.target.subresource == "attach";
  auto process = co_await services.streams->exec(request.target.ns, request.target.name, *options);
  if (!process) {
    respond_refusal(*exchange, process.error());
    co_return;
  }
  std::shared_ptr<RemoteClient> client;
  if (socket) {
    auto accepted = http::WebSocket::accept(*exchange, protocol);
    if (accepted) {
      // kubectl attach tells two sizes, so that the program draws its screen anew.
      client = websocket_client(services.loop, std::move(*accepted), options->tty ? (attached ? 2 : 1) : 0);
    }
  } else {
    http::Headers headers;
    headers.set("connection", "Upgrade");
    headers.set("upgrade", "SPDY/3.1");
    headers.set("x-stream-protocol-version", protocol);
    auto stream = exchange->upgrade(std::move(headers));
    if (stream) {
      auto session = spdy::Session::over(pipe_of(std::shared_ptr<net::ByteStream>(std::move(*stream))));
      client = co_await spdy_client(services.loop, session, *options);
    }
  }
  if (!client) {
    if (process->hang_up) process->hang_up();
    co_return;
  }
  co_await run_remote_command(std::move(client), std::move(*process), attached);
}

net::Task<void> serve_log(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  Answer<objects::Object> pod = services.registry.read(request.target);
  if (!pod) {
    respond_refusal(*exchange, pod.error());
    co_return;
  }
  Answer<std::string> container = container_of(pod->json(), request.text("container"));
  bool several = items(pod->json(), "spec", "containers").size() > 1;
  if (request.text("container").empty() && several &&
      pod->annotation("kubectl.kubernetes.io/default-container").empty()) {
    std::vector<std::string> names;
    for (const Json& one : items(pod->json(), "spec", "containers")) names.push_back(string_at(one, "name"));
    container = std::unexpected(bad_request("a container name must be specified for pod " + request.target.name +
                                            ", choose one of: [" + base::join(names, " ") + "]"));
  }
  auto options = log_options(request);
  if (!container)
    options = std::unexpected(std::move(container.error()));
  else if (!services.streams)
    options = std::unexpected(unavailable("the pod runtime is not ready"));
  if (!options) {
    respond_refusal(*exchange, options.error());
    co_return;
  }
  options->container = *container;
  auto pieces = co_await services.streams->logs(request.target.ns, request.target.name, *options);
  if (!pieces) {
    respond_refusal(*exchange, pieces.error());
    co_return;
  }
  net::Queue<std::string> queue = *pieces;
  exchange->on_closed([queue] { queue.close(); });
  http::ResponseHead head;
  head.headers.set("content-type", "text/plain");
  head.headers.set("cache-control", "no-cache, private");
  exchange->start(std::move(head));
  for (;;) {
    std::optional<std::string> piece = co_await queue.next();
    if (!piece) break;
    auto written = co_await exchange->write(std::move(*piece));
    if (!written) co_return;
  }
  exchange->finish();
}

}  // namespace localkube

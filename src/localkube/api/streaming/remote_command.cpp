// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/streaming/remote_command.h"

#include "localkube/api/kinds/document.h"
#include "localkube/api/refusal.h"

namespace localkube {

namespace {

using Process = PodStreams::Process;

net::Task<void> copy_output(std::shared_ptr<RemoteClient> client, net::Queue<std::string> from, bool err,
                            net::Oneshot<bool> done) {
  for (;;) {
    std::optional<std::string> piece = co_await from.next();
    if (!piece) break;
    bool sent = false;
    if (err)
      sent = co_await client->send_err(std::move(*piece));
    else
      sent = co_await client->send_out(std::move(*piece));
    if (!sent) break;
  }
  done.set(true);
}

net::Task<void> copy_input(std::shared_ptr<RemoteClient> client, std::shared_ptr<Process> process,
                           std::shared_ptr<bool> ended) {
  for (;;) {
    std::optional<RemoteClient::Input> input = co_await client->read();
    if (*ended && !input) co_return;
    if (!input) break;
    if (*ended) continue;
    switch (input->kind) {
      case RemoteClient::Input::Kind::Data:
        if (process->write) process->write(std::move(input->data));
        break;
      case RemoteClient::Input::Kind::End:
        if (process->close_input) process->close_input();
        break;
      case RemoteClient::Input::Kind::Resize:
        if (process->resize) process->resize(input->rows, input->columns);
        break;
    }
  }
  if (process->hang_up) process->hang_up();
}

}  // namespace

Json exit_status(const Process::Exit& exit) {
  if (!exit.error.empty()) {
    Json status = status_of(internal(exit.error));
    return status;
  }
  if (exit.code == 0) return {{"metadata", Json::object()}, {"status", "Success"}};
  std::string code = std::to_string(exit.code);
  return {{"metadata", Json::object()},
          {"status", "Failure"},
          {"reason", "NonZeroExitCode"},
          {"message", "command terminated with non-zero exit code: command terminated with exit code " + code},
          {"details", {{"causes", Json::array({{{"reason", "ExitCode"}, {"message", code}}})}}}};
}

std::optional<RemoteClient::Input> parse_resize(std::string_view text) {
  auto size = base::parse_json(text);
  if (!size) return std::nullopt;
  RemoteClient::Input input;
  input.kind = RemoteClient::Input::Kind::Resize;
  input.columns = static_cast<int>(number(*size, "Width"));
  input.rows = static_cast<int>(number(*size, "Height"));
  if (input.columns <= 0 || input.rows <= 0) return std::nullopt;
  return input;
}

net::Task<void> run_remote_command(std::shared_ptr<RemoteClient> client, Process given, bool attached) {
  auto process = std::make_shared<Process>(std::move(given));
  auto ended = std::make_shared<bool>(false);
  net::Oneshot<bool> out_done, err_done;
  net::spawn(copy_output(client, process->out, false, out_done));
  net::spawn(copy_output(client, process->err, true, err_done));
  net::spawn(copy_input(client, process, ended));
  bool ignored = co_await out_done.wait();
  ignored = co_await err_done.wait();
  (void)ignored;
  Process::Exit exit = co_await process->exited.wait();
  *ended = true;
  if (attached && exit.error.empty()) exit.code = 0;
  co_await client->finish(exit_status(exit));
}

}  // namespace localkube

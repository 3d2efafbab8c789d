// SPDX-License-Identifier: Apache-2.0
// client ADDRESS [ROOTS]: gRPC's C++ library against the echo service of grpc_peers.py; a line for each check, "ok" or
// "FAIL" first.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>

namespace {

grpc::ByteBuffer bytes(const std::string& text) {
  grpc::Slice slice(text);
  return {&slice, 1};
}

std::string text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (buffer.Dump(&slices).ok())
    for (const grpc::Slice& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

// One call, step by step: a step is begun with a tag and is over when the queue gives it back.
class Call {
 public:
  Call(grpc::GenericStub& stub, const std::string& method, std::chrono::milliseconds limit = std::chrono::seconds(20))
      : stub_(stub), method_("/echo.Echo/" + method) {
    context.set_deadline(std::chrono::system_clock::now() + limit);
  }
  void start() {
    stream_ = stub_.PrepareCall(&context, method_, &queue_);
    stream_->StartCall(this);
    over();
  }
  bool write(const std::string& message) {
    stream_->Write(bytes(message), this);
    return over();
  }
  bool done() {
    stream_->WritesDone(this);
    return over();
  }
  bool read(std::string& message) {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, this);
    if (!over()) return false;
    message = text(buffer);
    return true;
  }
  grpc::Status finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    over();
    return status;
  }
  // A request, an answer and what became of it.
  grpc::Status ask(const std::string& request, std::string& answer) {
    start();
    write(request);
    done();
    read(answer);
    return finish();
  }
  std::vector<std::string> rest() {
    std::vector<std::string> out;
    for (std::string message; read(message);) out.push_back(message);
    return out;
  }

  grpc::ClientContext context;

 private:
  bool over() {
    void* tag = nullptr;
    bool good = false;
    return queue_.Next(&tag, &good) && good;
  }

  grpc::GenericStub& stub_;
  std::string method_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

template <typename Map>
bool has(const Map& map, const std::string& name, const std::string& value) {
  auto it = map.find(name);
  return it != map.end() && std::string(it->second.data(), it->second.size()) == value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (argc > 2) {
    std::stringstream roots;
    roots << std::ifstream(argv[2]).rdbuf();
    credentials = grpc::SslCredentials({.pem_root_certs = roots.str(), .pem_private_key = {}, .pem_cert_chain = {}});
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetSslTargetNameOverride("localhost");
  grpc::GenericStub echo(grpc::CreateCustomChannel(argv[1], credentials, arguments));

  using std::chrono::milliseconds;
  const std::pair<const char*, std::function<bool()>> checks[] = {
      {"metadata there and back, text and binary",
       [&] {
         Call call(echo, "Unary");
         const std::string binary("\0\xff\r\n", 4);
         call.context.AddMetadata("x-there", "a");
         call.context.AddMetadata("x-there-bin", binary);
         std::string answer;
         return call.ask("hello", answer).ok() && answer == "hello" &&
                has(call.context.GetServerInitialMetadata(), "x-there", "a") &&
                has(call.context.GetServerInitialMetadata(), "x-there-bin", binary) &&
                has(call.context.GetServerTrailingMetadata(), "x-trail-bin", std::string("\0\1\xff", 3));
       }},
      {"messages of 8 MiB",
       [&] {
         std::string big(8 << 20, 'm'), answer;
         return Call(echo, "Unary").ask(big, answer).ok() && answer == big;
       }},
      {"a compressed message",
       [&] {
         Call call(echo, "Unary");
         call.context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
         std::string big(1 << 20, 'a'), answer;
         return call.ask(big, answer).ok() && answer == big;
       }},
      {"a stream of requests",
       [&] {
         Call call(echo, "Collect");
         call.start();
         for (int i = 0; i < 500; ++i)
           if (!call.write(std::string(1000, 'c'))) return false;
         std::string answer;
         return call.done() && call.read(answer) && call.finish().ok() && answer == "500 500000";
       }},
      {"a stream of responses",
       [&] {
         Call call(echo, "Expand");
         call.start();
         call.write("100 20000");
         call.done();
         auto messages = call.rest();
         size_t right = 0;
         for (const auto& message : messages) right += message.size() == 20000;
         return right == 100 && call.finish().ok();
       }},
      {"both at once",
       [&] {
         Call call(echo, "Chat");
         call.start();
         for (int i = 0; i < 50; ++i) {
           std::string answer;
           if (!call.write(std::to_string(i)) || !call.read(answer) || answer != std::to_string(i)) return false;
         }
         call.done();
         return call.rest().empty() && call.finish().ok();
       }},
      {"a refusal without a message",
       [&] {
         std::string answer;
         grpc::Status status = Call(echo, "Fail").ask("9", answer);
         return status.error_code() == grpc::FAILED_PRECONDITION && status.error_message() == "détail 100%\n";
       }},
      {"a failure after a message",
       [&] {
         Call call(echo, "FailLate");
         call.start();
         call.write("10");
         call.done();
         return call.rest().size() == 1 && call.finish().error_code() == grpc::ABORTED;
       }},
      {"a method that is none",
       [&] {
         std::string answer;
         return Call(echo, "None").ask("", answer).error_code() == grpc::UNIMPLEMENTED;
       }},
      {"a deadline",
       [&] {
         std::string answer;
         return Call(echo, "Wait", milliseconds(500)).ask("cpp-deadline", answer).error_code() ==
                grpc::DEADLINE_EXCEEDED;
       }},
      {"a call that is cancelled",
       [&] {
         Call call(echo, "Wait");
         call.start();
         call.write("cpp-cancel");
         call.done();
         call.context.TryCancel();
         return call.finish().error_code() == grpc::CANCELLED;
       }},
  };
  int failed = 0;
  for (const auto& [name, check] : checks) {
    bool good = check();
    failed += !good;
    std::cout << (good ? "ok " : "FAIL ") << name << std::endl;
  }
  return failed ? 1 : 0;
}

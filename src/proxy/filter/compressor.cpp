// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/compressor.h"

#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

struct Codecs final : FilterState {
  std::unique_ptr<BodyCodec> request, response;
  std::string accepted;  // the request's accept-encoding
  bool asked = false;    // there was one
};

bool has_token(const http::Headers& headers, std::string_view name, std::string_view token) {
  if (!headers.contains(name)) return false;
  std::string all = headers.joined(name);
  auto tokens = base::split(all, ',');
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](std::string_view t) { return base::equal_ignoring_case(base::trim(t), token); });
}

bool takes_type(const CompressionRules& rules, const http::Headers& headers) {
  auto type = headers.get("content-type");
  return !type || std::find(rules.types.begin(), rules.types.end(),
                            base::to_lower(base::trim(type->substr(0, type->find(';'))))) != rules.types.end();
}

bool fits(const CompressionRules& rules, const http::Headers& headers) {
  if (auto length = headers.get("content-length")) {
    auto size = base::parse_number<uint64_t>(*length);
    if (!size || *size < rules.least) return false;
  }
  return takes_type(rules, headers) && !headers.contains("content-encoding") &&
         !has_token(headers, "cache-control", "no-transform");
}

// Replaces what is in `bytes` by what it becomes.
bool recode(BodyCodec& codec, net::Buffer& bytes, bool end) {
  net::Buffer in;
  in.swap(bytes);
  return codec.feed(in.view(), bytes, end);
}

void add_vary(http::Headers& headers) {
  if (has_token(headers, "vary", "accept-encoding") || has_token(headers, "vary", "*")) return;
  if (!headers.contains("vary")) return headers.add("vary", "Accept-Encoding");
  headers.set("vary", headers.joined("vary") + ", Accept-Encoding");
}

void add_encoding(http::Headers& headers, Encoding encoding) { headers.set("content-encoding", name(encoding)); }

}  // namespace

// As Envoy 1.40 reads the field: the first of those that the client likes most; codings in lower case alone.
std::optional<Encoding> choose_encoding(std::string_view accept_encoding,
                                        const std::vector<std::pair<Encoding, bool>>& offered) {
  struct Wish {
    std::string_view coding;
    float weight = 1;
  };
  std::vector<Wish> wishes;
  for (std::string_view token : base::split(accept_encoding, ',')) {
    auto parts = base::cut(token, ';');
    Wish wish{base::trim(parts ? parts->first : token)};
    auto weight = parts ? base::cut(parts->second, '=') : std::nullopt;
    if (weight && base::equal_ignoring_case(base::trim(weight->first), "q")) {
      const std::string text(base::trim(weight->second));
      char* end = nullptr;
      wish.weight = std::strtof(text.c_str(), &end);
      if (text.empty() || *end) continue;  // no weight: as if it were not there
    }
    wishes.push_back(wish);
  }
  auto refused = [&](std::string_view coding) {
    return std::any_of(wishes.begin(), wishes.end(),
                       [&](const Wish& wish) { return wish.coding == coding && wish.weight == 0; });
  };
  const std::pair<Encoding, bool>* first = nullptr;
  for (const auto& offer : offered)
    if (!first && !refused(name(offer.first))) first = &offer;
  auto offer_of = [&](std::string_view coding) {
    auto it =
        std::find_if(offered.begin(), offered.end(), [&](const auto& offer) { return name(offer.first) == coding; });
    return it == offered.end() || refused(coding) ? nullptr : &*it;
  };
  const std::pair<Encoding, bool>* best = nullptr;
  float most = 0;
  for (const Wish& wish : wishes) {
    const bool any = wish.coding == "*";
    const std::pair<Encoding, bool>* offer = any ? first : offer_of(wish.coding);
    if (!offer && !any && wish.coding != "identity") continue;
    const bool chosen_first = offer && !any && offer->second;
    if (wish.weight < most || wish.weight <= 0 || (wish.weight == most && !chosen_first)) continue;
    most = wish.weight;
    best = offer;
  }
  if (!best) return std::nullopt;
  return best->first;
}

// All compressors of the chain that take this type of content have a say, in the listener's order; as Envoy, also those
// that then leave it as it is.
std::vector<std::pair<Encoding, bool>> CompressorFilter::offered(const Stream& stream,
                                                                 const http::Headers& headers) const {
  std::vector<std::pair<Encoding, bool>> out;
  for (const auto& filter : stream.origin().http->filters) {
    const auto* other = dynamic_cast<const CompressorFilter*>(filter.get());
    if (!other || !other->config_.response.enabled || !takes_type(other->config_.response, headers)) continue;
    const auto* own = stream.policy<CompressorPolicy>(*other);
    out.emplace_back(own && own->library ? own->library->encoding : other->config_.library.encoding,
                     other->config_.choose_first);
  }
  return out;
}

Verdict CompressorFilter::on_request(Stream& stream) const {
  const auto* own = stream.policy<CompressorPolicy>(*this);
  if ((own && own->off) || stream.upgrading()) return Continue{};
  http::Headers& headers = stream.request.headers;
  Codecs* codecs = nullptr;
  if (config_.response.enabled && headers.contains("accept-encoding")) {
    codecs = &stream.state<Codecs>(*this);
    codecs->accepted = headers.joined("accept-encoding");
    codecs->asked = true;
  }
  if (own && own->remove_accept_encoding ? *own->remove_accept_encoding : config_.remove_accept_encoding)
    headers.remove("accept-encoding");
  if (!config_.compress_requests || !config_.request.enabled || stream.request_bodyless() ||
      !fits(config_.request, headers))
    return Continue{};
  const EncoderSettings& library = own && own->library ? *own->library : config_.library;
  if (!codecs) codecs = &stream.state<Codecs>(*this);
  codecs->request = make_encoder(library);
  add_encoding(headers, library.encoding);
  stream.set_request_length(std::nullopt);
  stream.watch_request_body();
  return Continue{};
}

void CompressorFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  const auto* own = stream.policy<CompressorPolicy>(*this);
  if (!config_.response.enabled || (own && own->off) || head.status == 101 || !fits(config_.response, head.headers))
    return;
  if (std::find(config_.skip_statuses.begin(), config_.skip_statuses.end(), head.status) != config_.skip_statuses.end())
    return;
  auto etag = head.headers.get("etag");
  if (etag && config_.skip_etags) return;
  Codecs* codecs = stream.find_state<Codecs>(*this);
  const EncoderSettings& library = own && own->library ? *own->library : config_.library;
  auto chosen =
      codecs && codecs->asked ? choose_encoding(codecs->accepted, offered(stream, head.headers)) : std::nullopt;
  const bool part = head.status == 206;  // it would no longer be that part
  if (chosen && *chosen == library.encoding && !part && !stream.response_bodyless()) {
    if (etag && !etag->starts_with("W/") && !etag->starts_with("w/")) head.headers.remove("etag");
    add_encoding(head.headers, library.encoding);
    stream.set_response_length(std::nullopt);
    codecs->response = make_encoder(library);
    stream.watch_response_body();
  }
  add_vary(head.headers);  // whether or not this client wants it
}

static Verdict compressed(std::unique_ptr<BodyCodec>& codec, net::Buffer& bytes, bool end) {
  if (codec && !recode(*codec, bytes, end)) return Reply{.status = 500, .details = "compression_failed"};
  if (end) codec.reset();
  return Continue{};
}

Verdict CompressorFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  return compressed(stream.state<Codecs>(*this).request, bytes, end);
}
Verdict CompressorFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool end) const {
  return compressed(stream.state<Codecs>(*this).response, bytes, end);
}
Verdict CompressorFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return compressed(stream.state<Codecs>(*this).request, last, true);
}
Verdict CompressorFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return compressed(stream.state<Codecs>(*this).response, last, true);
}

// --- and back -----------------------------------------------------------

struct Decoders final : FilterState {
  std::unique_ptr<BodyDecoder> request, response;
};

// Takes the encoding off the head if it is the one applied last; false: it is another.
static bool take_off(http::Headers& headers, Encoding encoding, bool ignore_no_transform) {
  if (!headers.contains("content-encoding") ||
      (!ignore_no_transform && has_token(headers, "cache-control", "no-transform")))
    return false;
  std::string all = headers.joined("content-encoding");
  auto parts = base::split(all, ',');
  std::string_view outermost = base::trim(parts.back());
  if (!base::equal_ignoring_case(outermost, name(encoding))) return false;
  parts.pop_back();
  std::vector<std::string_view> left;
  for (std::string_view part : parts) left.push_back(base::trim(part));
  if (left.empty())
    headers.remove("content-encoding");
  else
    headers.set("content-encoding", base::join(left, ", "));
  return true;
}

Verdict DecompressorFilter::on_request(Stream& stream) const {
  http::Headers& headers = stream.request.headers;
  if (config_.advertise) {
    std::string all = headers.contains("accept-encoding") ? headers.joined("accept-encoding") + "," : std::string();
    headers.set("accept-encoding", all + std::string(proxy::name(config_.library.encoding)));
  }
  if (!config_.requests || stream.request_bodyless() || stream.upgrading()) return Continue{};
  if (!take_off(headers, config_.library.encoding, config_.ignore_no_transform_requests)) return Continue{};
  stream.set_request_length(std::nullopt);
  stream.state<Decoders>(*this).request = make_decoder(config_.library);
  stream.watch_request_body();
  return Continue{};
}

void DecompressorFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  if (!config_.responses || stream.response_bodyless() || head.status == 206) return;
  if (!take_off(head.headers, config_.library.encoding, config_.ignore_no_transform_responses)) return;
  stream.set_response_length(std::nullopt);
  stream.state<Decoders>(*this).response = make_decoder(config_.library);
  stream.watch_response_body();
}

// So much of a body at a time: what it becomes must find room behind the filter before more is made.
static constexpr size_t kPiece = 32 * 1024;

static Verdict decompressed(std::unique_ptr<BodyDecoder>& decoder, net::Buffer& bytes, bool end, int status) {
  if (!decoder) return Continue{};
  net::Buffer in;
  in.swap(bytes);
  std::string_view left = in.view();
  const BodyDecoder::Step step = decoder->feed(left, bytes, kPiece, end);
  if (step == BodyDecoder::Step::Bad) return Reply{.status = status, .details = "decompression_failed"};
  if (step == BodyDecoder::Step::More) {
    const size_t made = bytes.size();
    bytes.append(left);
    return Pause{.passes = made, .for_room = true};
  }
  if (end) decoder.reset();
  return Continue{};
}

Verdict DecompressorFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  return decompressed(stream.state<Decoders>(*this).request, bytes, end, 400);
}
Verdict DecompressorFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool end) const {
  return decompressed(stream.state<Decoders>(*this).response, bytes, end, 502);
}
Verdict DecompressorFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return decompressed(stream.state<Decoders>(*this).request, last, true, 400);
}
Verdict DecompressorFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return decompressed(stream.state<Decoders>(*this).response, last, true, 502);
}

}  // namespace proxy

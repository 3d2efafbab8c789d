// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/unread.h"

namespace proxy {

// A field that is taken to mean something must leave this table; one that is new in a schema and means nothing must
// join it: tests/differential/fields.py compares it with the schemas and with what the sources read.
static constexpr UnreadFields kUnread[] = {
    {"envoy.config.accesslog.v3.RuntimeFilter", "-use_independent_randomness"},
    {"envoy.config.bootstrap.v3.Admin",
     "access_log_path -profile_path socket_options -ignore_global_conn_limit !allow_paths"},
    {"envoy.config.bootstrap.v3.Bootstrap",
     "-node_context_params cluster_manager !hds_config flags_path -stats_flush_interval "
     "-stats_flush_on_admin -stats_eviction_interval tracing -enable_dispatcher_stats header_prefix "
     "stats_server_version_override use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config "
     "stats_sinks watchdogs bootstrap_extensions -config_sources -default_config_source default_socket_interface "
     "!certificate_provider_instances perf_tracing_file_path -default_regex_engine xds_delegate_extension "
     "xds_config_tracker_extension listener_manager application_log_config"},
    {"envoy.config.bootstrap.v3.RuntimeLayer", "-disk_layer rtds_layer"},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds", "-max_connection_pools"},
    {"envoy.config.cluster.v3.Cluster", "-wait_for_warm_on_init -cleanup_interval lrs_report_endpoint_metrics"},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig", "-update_merge_window"},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig", "-min_cluster_size -routing_enabled"},
    {"envoy.config.cluster.v3.Filter", "!config_discovery"},
    {"envoy.config.core.v3.AlternateProtocolsCacheOptions",
     "-canonical_suffixes -key_value_store_config -max_entries -prepopulated_entries"},
    {"envoy.config.core.v3.ApiConfigSource",
     "-transport_api_version -refresh_delay -rate_limit_settings -set_node_on_first_message_only config_validators"},
    {"envoy.config.core.v3.CelExpressionConfig",
     "enable_string_concat enable_string_conversion enable_string_functions"},
    {"envoy.config.core.v3.ConfigSource", "-resource_api_version -self"},
    {"envoy.config.core.v3.DataSource", "watched_directory"},
    {"envoy.config.core.v3.DnsResolverOptions", "no_default_search_domain"},
    {"envoy.config.core.v3.EnvoyInternalAddress", "-endpoint_id -server_listener_name"},
    {"envoy.config.core.v3.Extension", "-category -type_descriptor -type_urls"},
    {"envoy.config.core.v3.GrpcService.EnvoyGrpc", "max_receive_message_length -skip_envoy_headers"},
    {"envoy.config.core.v3.HealthCheck", "always_log_health_check_failures always_log_health_check_success"},
    {"envoy.config.core.v3.HealthCheck.HttpHealthCheck", "response_buffer_size"},
    {"envoy.config.core.v3.Http1ProtocolOptions",
     "-allow_chunked_length override_stream_error_on_invalid_http_message -use_balsa_parser "
     "-allow_custom_methods ignore_http_11_upgrade"},
    {"envoy.config.core.v3.Http2ProtocolOptions",
     "-max_outbound_frames -max_outbound_control_frames "
     "-max_consecutive_inbound_frames_with_empty_payload -max_inbound_priority_frames_per_stream "
     "-max_inbound_window_update_frames_per_data_frame_sent stream_error_on_invalid_http_messaging "
     "override_stream_error_on_invalid_http_message -use_oghttp2_codec -max_metadata_size"},
    {"envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter", "-identifier"},
    {"envoy.config.core.v3.Metadata", "typed_filter_metadata"},
    {"envoy.config.core.v3.Node",
     "-user_agent_name -user_agent_version -user_agent_build_version -client_features -listening_addresses "
     "-extensions"},
    {"envoy.config.core.v3.ProxyProtocolPassThroughTLVs", "-match_type -tlv_type"},
    {"envoy.config.core.v3.SocketOption", "-description"},
    {"envoy.config.core.v3.SocketOption.SocketType", "-stream"},
    {"envoy.config.core.v3.SubstitutionFormatString", "json_format_options"},
    {"envoy.config.core.v3.TlvEntry", "-format_string"},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload", "-category -drop_percentage"},
    {"envoy.config.endpoint.v3.LedsClusterLocalityConfig", "-leds_collection_name -leds_config"},
    {"envoy.config.endpoint.v3.LocalityLbEndpoints", "-proximity"},
    {"envoy.config.listener.v3.Filter", "!config_discovery"},
    {"envoy.config.listener.v3.Listener", "reuse_port"},
    {"envoy.config.listener.v3.ListenerFilter", "!config_discovery"},
    {"envoy.config.listener.v3.ListenerFilterChainMatchPredicate", "!and_match !not_match"},
    {"envoy.config.metrics.v3.HistogramBucketSettings", "-match -buckets -bins"},
    {"envoy.config.metrics.v3.StatsConfig", "histogram_bucket_settings"},
    {"envoy.config.overload.v3.BufferFactoryConfig", "minimum_account_to_track_power_of_two"},
    {"envoy.config.rbac.v3.RBAC.AuditLoggingOptions", "audit_condition"},
    {"envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditLoggerConfig", "audit_logger"},
    {"envoy.config.route.v3.CorsPolicy", "-shadow_enabled !allow_private_network_access"},
    {"envoy.config.route.v3.Decorator", "-propagate"},
    {"envoy.config.route.v3.RateLimit", "-disable_key"},
    {"envoy.config.route.v3.Route", "tracing"},
    {"envoy.config.route.v3.RouteAction",
     "early_data_policy !hedge_policy !retry_policy_typed_config !flush_timeout "
     "!path_rewrite_policy !cluster_specifier_plugin !inline_cluster_specifier_plugin !cors"},
    {"envoy.config.route.v3.RouteAction.RequestMirrorPolicy", "-trace_sampled"},
    {"envoy.config.route.v3.RouteConfiguration", "!cluster_specifier_plugins"},
    {"envoy.config.route.v3.VirtualHost", "virtual_clusters !hedge_policy !retry_policy_typed_config !cors"},
    {"envoy.config.route.v3.WeightedCluster", "total_weight"},
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog", "!typed_json_format"},
    {"envoy.extensions.compression.brotli.compressor.v3.Brotli", "-chunk_size"},
    {"envoy.extensions.compression.brotli.decompressor.v3.Brotli", "-chunk_size -disable_ring_buffer_reallocation"},
    {"envoy.extensions.compression.gzip.compressor.v3.Gzip", "-chunk_size"},
    {"envoy.extensions.compression.gzip.decompressor.v3.Gzip", "-chunk_size"},
    {"envoy.extensions.compression.zstd.compressor.v3.Zstd", "-chunk_size"},
    {"envoy.extensions.compression.zstd.decompressor.v3.Zstd", "-chunk_size"},
    {"envoy.extensions.filters.http.cors.v3.CorsPolicy", "-shadow_enabled !allow_private_network_access"},
    {"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", "validate_mutations"},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault",
     "-max_active_faults_runtime -response_rate_limit_percent_runtime -disable_downstream_cluster_stats"},
    {"envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", "-emit_filter_state"},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch", "-fast_listener"},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig", "-jwt_cache_size -jwt_max_token_size"},
    {"envoy.extensions.filters.http.router.v3.Router",
     "-dynamic_stats -start_child_span upstream_log upstream_log_options !strict_check_headers "
     "respect_expected_rq_timeout -suppress_grpc_request_failure_code_stats !upstream_http_filters"},
    {"envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", "-tlv_location"},
    {"envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule", "-on_tlv_present -tlv_type"},
    {"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", "-initial_read_buffer_size"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
     "tracing -stream_flush_timeout stream_error_on_invalid_http_message !path_normalization_options "
     "add_proxy_protocol_connection_state "
     "!early_header_mutation_extensions !typed_header_validation_config "
     "!represent_ipv4_remote_address_as_ipv4_mapped_ipv6 access_log_flush_interval flush_access_log_on_new_request "
     "access_log_options"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions",
     "-flush_access_log_on_new_request -flush_log_on_tunnel_successfully_established"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails",
     "!chain"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.common_http_protocol_options",
     "max_response_headers_kb"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.http2_protocol_options",
     "!allow_metadata custom_settings_parameters"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.http_protocol_options",
     "send_fully_qualified_url"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", "!config_discovery"},
    {"envoy.extensions.filters.network.rbac.v3.RBAC", "!enforcement_type"},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
     "!downstream_idle_timeout !upstream_idle_timeout !backoff_options "
     "!proxy_protocol_tlvs !upstream_connect_mode !max_early_data_bytes"},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig",
     "!request_id_extension !request_id_header !request_id_metadata_key"},
    {"envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig", "forward_reason_phrase"},
    {"envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig",
     "-min_cluster_size -routing_enabled"},
    {"envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone",
     "-min_size"},
    {"envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
     "filter_unroutable_families -udp_max_queries"},
    {"envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
     "-pack_trace_reason -use_request_id_for_trace_sampling"},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
     "!ca_certificate_provider_instance !system_root_certs !require_signed_certificate_timestamp "
     "!custom_validator_config"},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
     "!tls_certificate_provider_instance !custom_tls_certificate_selector !tls_certificate_certificate_provider "
     "!tls_certificate_certificate_provider_instance !validation_context_certificate_provider "
     "!validation_context_certificate_provider_instance !custom_handshaker key_log"},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
     "!validation_context_certificate_provider !validation_context_certificate_provider_instance"},
    {"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
     "-disable_stateless_session_resumption "
     "ocsp_staple_policy -full_scan_certs_on_sni_mismatch -prefer_client_ciphers"},
    {"envoy.extensions.transport_sockets.tls.v3.Secret", "generic_secret"},
    {"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", "!oid"},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
     "!pkcs12 !password ocsp_staple !signed_certificate_timestamp"},
    {"envoy.extensions.transport_sockets.tls.v3.TlsParameters", "!signature_algorithms !compliance_policies"},
    {"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "-max_session_keys -enforce_rsa_key_usage"},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection", "!error_matcher"},
    {"envoy.type.matcher.v3.FilterStateMatcher", "!address_match"},
    {"envoy.type.matcher.v3.RegexMatcher", "-google_re2"},
    {"envoy.type.v3.SemanticVersion", "-major_number -minor_number -patch"},
};

std::span<const UnreadFields> unread_fields() { return kUnread; }

}  // namespace proxy

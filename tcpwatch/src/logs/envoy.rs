//! Envoy, Istio and other gateways made of it: response flags, response code details, and what clients are told.

use super::{Kind, Pattern};

const fn envoy(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("Envoy", words, regex, kind)
}

/// Behind a quoted request and a status, or named by JSON; alone or in a list.
macro_rules! flag {
    ($flag:literal) => {
        concat!(
            r#"(?:" \d{1,3} (?:[A-Z]{2,4},)*"#,
            $flag,
            r#"(?:,[A-Z]{2,4})*(?: |$)|^\d{3} "#,
            $flag,
            r#"$|"response_flags":\s*"(?:[A-Z]{2,4},)*"#,
            $flag,
            r#"(?:,[A-Z]{2,4})*")"#
        )
    };
}

/// Why the transport to the upstream failed: in the details, in what clients are told, or in a field of its own. The
/// same words in the field of the downstream are about its connection.
macro_rules! tls_error {
    ($more:literal) => {
        concat!(
            r#"(?:connection_failure[|,]|\b(?:upstream_)?transport[_ ]failure[_ ]reason"?:\s*"?|- ")TLS[_ ]error:"#,
            $more
        )
    };
}

/// Details say more than the flag that stands beside them. A flag counts where a status stands before it, behind the
/// quoted request, or where JSON names it.
pub(super) const PATTERNS: &[Pattern] = &[
    envoy(
        "TLS error: … Connection reset by peer",
        tls_error!(r#"[^"}]*Connection[_ ]reset[_ ]by[_ ]peer"#),
        Kind::ResetAtStart,
    )
    .connecting()
    .upstream(),
    envoy("TLS error: … CERTIFICATE_VERIFY_FAILED", tls_error!(""), Kind::HandshakeFailed).connecting().upstream(),
    envoy(
        "delayed connect error: Connection refused (111)",
        r"delayed[_ ]connect[_ ]error:[_ ](?:111\b|Connection[_ ]refused)",
        Kind::Refused,
    )
    .connecting()
    .upstream(),
    envoy(
        "delayed connect error: No route to host (113)",
        r"delayed[_ ]connect[_ ]error:[_ ](?:113\b|101\b|No[_ ]route[_ ]to[_ ]host|Network[_ ]is[_ ]unreachable)",
        Kind::NoRoute,
    )
    .connecting()
    .upstream(),
    envoy(
        "delayed connect error: Connection timed out (110)",
        r"delayed[_ ]connect[_ ]error:[_ ](?:110\b|Connection[_ ]timed[_ ]out)",
        Kind::DialTimedOut,
    )
    .connecting()
    .upstream(),
    envoy(
        "delayed connect error: Connection reset by peer (104)",
        r"delayed[_ ]connect[_ ]error:[_ ](?:104\b|Connection[_ ]reset)",
        Kind::ResetAtStart,
    )
    .connecting()
    .upstream(),
    envoy(
        "upstream_reset_before_response_started{connection_termination}",
        r"upstream_reset_(?:before|after)_response_started\{connection_termination",
        Kind::Ended,
    )
    .upstream(),
    envoy(
        "upstream_reset_before_response_started{remote_connection_failure}",
        r"upstream_reset_before_response_started\{(?:remote_)?connection_failure",
        Kind::NotConnected,
    )
    .connecting()
    .upstream(),
    envoy(
        "upstream_reset_before_response_started{connection_timeout}",
        r"upstream_reset_before_response_started\{connection_timeout",
        Kind::ConnectTooLong,
    )
    .connecting()
    .upstream(),
    envoy(
        "upstream_reset_before_response_started{remote_reset}",
        r"upstream_reset_(?:before|after)_response_started\{(?:remote|local)_re(?:set|fused_stream_reset)",
        Kind::StreamReset,
    )
    .upstream(),
    envoy("downstream_remote_disconnect", r"\bdownstream_remote_disconnect\b", Kind::ClientLeft).downstream(),
    envoy("no_healthy_upstream", r"\bno[_ ]healthy[_ ]upstream\b", Kind::NotTried).upstream(),
    envoy(
        "reset reason: connection termination",
        r"\breset reason: connection termination\b",
        Kind::Ended,
    )
    .upstream(),
    envoy(
        "reset reason: connection failure",
        r"\breset reason: (?:remote )?connection failure\b",
        Kind::NotConnected,
    )
    .connecting()
    .upstream(),
    envoy("reset reason: connection timeout", r"\breset reason: connection timeout\b", Kind::ConnectTooLong)
        .connecting()
        .upstream(),
    envoy("reset reason: remote reset", r"\breset reason: (?:remote|local) reset\b", Kind::StreamReset).upstream(),
    envoy("503 UC (response flag)", flag!("UC"), Kind::Ended).upstream(),
    envoy("503 UF (response flag)", flag!("UF"), Kind::NotConnected).connecting().upstream(),
    envoy("504 UT (response flag)", flag!("UT"), Kind::TookTooLong).upstream(),
    envoy("503 UR, LR (response flags)", flag!("(?:UR|LR)"), Kind::StreamReset).upstream(),
    envoy("503 UH, UO (response flags)", flag!("(?:UH|UO)"), Kind::NotTried).upstream(),
    envoy("0 DC (response flag)", flag!("DC"), Kind::ClientLeft).downstream(),
    envoy("503 URX (response flag)", flag!("URX"), Kind::RetriesFailed).upstream(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn access_logs() {
        say(&[
            (
                r#"[2026-11-21T12:04:31.882Z] "GET /cart HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 0 95 11 - "-" "curl/7.88.1" "b0c5" "shop:8080" "10.0.0.5:8080" outbound|8080||shop.svc 10.0.0.9:41234 10.96.0.10:8080 10.0.0.9:54321 - default"#,
                "Envoy: Ended unsaid upstream 10.0.0.5:8080",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UC 0 95 11 - "-" "curl/7.88.1" "b0c5" "shop" "tcp://10.0.0.5:8080""#,
                "Envoy: Ended unsaid upstream 10.0.0.5:8080",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111} - "-" 0 146 58 - "-" "curl" "b0" "shop" "10.0.0.5:8080" outbound|80||shop - 10.96.0.10:80 10.0.0.9:54321 - default"#,
                "Envoy: Refused connecting upstream 10.0.0.5:8080",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "- - -" 0 UF,URX - - "-" 0 0 4 - "-" "-" "-" "-" "10.0.0.5:3306" outbound|3306||db - 10.96.0.9:3306 10.0.0.9:5 - -"#,
                "Envoy: NotConnected connecting upstream 10.0.0.5:3306",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 0 DC downstream_remote_disconnect - "-" 0 0 1003 - "-" "curl" "b0" "shop" "10.0.0.5:8080""#,
                "Envoy: ClientLeft unsaid downstream",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UH no_healthy_upstream - "-" 0 19 0 - "-" "curl" "b0" "shop" "-""#,
                "Envoy: NotTried unsaid upstream",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 504 UT upstream_response_timeout - "-" 0 24 15000 - "-" "curl" "b0" "shop" "10.0.0.5:8080""#,
                "Envoy: TookTooLong unsaid upstream 10.0.0.5:8080",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "POST /pkg.Svc/Call HTTP/2" 200 UR upstream_reset_before_response_started{remote_reset} - "-" 5 0 3 - "-" "grpc-go" "b0" "shop" "10.0.0.5:8080""#,
                "Envoy: StreamReset unsaid upstream 10.0.0.5:8080",
            ),
            (
                r#"{"response_code":503,"response_flags":"UC","upstream_host":"10.0.0.5:8080"}"#,
                "Envoy: Ended unsaid upstream 10.0.0.5:8080",
            ),
            ("503 UC", "Envoy: Ended unsaid upstream"),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 URX via_upstream - "-" 0 19 3 2 "-" "curl" "b0" "shop" "10.0.0.5:8080""#,
                "Envoy: RetriesFailed unsaid upstream 10.0.0.5:8080",
            ),
            ("200 URX", "Envoy: RetriesFailed unsaid upstream"),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_110} - "-" 0 146 58 - "-" "curl" "b0" "shop" "10.0.0.5:8080""#,
                "Envoy: DialTimedOut connecting upstream 10.0.0.5:8080",
            ),
        ]);
    }

    #[test]
    fn transports() {
        say(&[
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UF upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end} - "-" 0 95 11 - "-" "curl" "b0" "shop" "10.0.0.5:8443""#,
                "Envoy: HandshakeFailed connecting upstream 10.0.0.5:8443",
            ),
            (
                r#"[2026-11-21T12:04:31.882Z] "GET / HTTP/1.1" 503 UF upstream_reset_before_response_started{remote_connection_failure|TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end} - "-" 0 95 11 - "-" "curl" "b0" "shop" "10.0.0.5:8443""#,
                "Envoy: ResetAtStart connecting upstream 10.0.0.5:8443",
            ),
            (
                r#"{"response_code":503,"response_flags":"UF","upstream_host":"10.0.0.5:8443","upstream_transport_failure_reason":"TLS_error:_268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER"}"#,
                "Envoy: HandshakeFailed connecting upstream 10.0.0.5:8443",
            ),
            // The client's handshake, and none that failed.
            (
                r#"{"response_code":0,"downstream_transport_failure_reason":"TLS_error:_268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST"}"#,
                "nothing",
            ),
            (
                r#"{"response_code":503,"response_flags":"UF","upstream_transport_failure_reason":null}"#,
                "Envoy: NotConnected connecting upstream",
            ),
        ]);
    }

    #[test]
    fn what_clients_are_told() {
        say(&[
            (
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                "Envoy: Ended unsaid upstream",
            ),
            (
                "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused",
                "Envoy: Refused connecting upstream",
            ),
            (
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
                "Envoy: HandshakeFailed connecting upstream",
            ),
            (
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                "Envoy: ConnectTooLong connecting upstream",
            ),
            ("no healthy upstream", "Envoy: NotTried unsaid upstream"),
        ]);
    }
}

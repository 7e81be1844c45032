//! Who is known to close a connection that was idle for so long?
//!
//! Defaults as their documentation has them: a hint for whoever looks for the timer, never evidence.

use std::time::Duration;

/// Seconds, and whose idle timer that is unless it was set otherwise.
const KNOWN: &[(u64, &str)] = &[
    // gunicorn: settings, `keepalive`.
    (2, "gunicorn (keepalive)"),
    // Node.js: http, `server.keepAliveTimeout`.
    (5, "Node.js (keepAliveTimeout)"),
    // Apache HTTP Server: core, `KeepAliveTimeout`.
    (5, "Apache httpd (KeepAliveTimeout)"),
    // Uvicorn: settings, `--timeout-keep-alive`.
    (5, "uvicorn (--timeout-keep-alive)"),
    // Apache Tomcat: the HTTP connector as server.xml ships it, `connectionTimeout`, which `keepAliveTimeout` follows.
    (20, "Tomcat (keepAliveTimeout)"),
    // Eclipse Jetty: server connectors, `idleTimeout`.
    (30, "Jetty (idleTimeout)"),
    // nginx: ngx_http_upstream_module, `keepalive_timeout`.
    (60, "nginx towards its upstreams (keepalive_timeout)"),
    // AWS Application Load Balancer: attribute `idle_timeout.timeout_seconds`.
    (60, "AWS ALB (idle timeout)"),
    // Node.js of 2026 and later: http, `server.keepAliveTimeout`.
    (65, "newer Node.js (keepAliveTimeout)"),
    // nginx: ngx_http_core_module, `keepalive_timeout`.
    (75, "nginx (keepalive_timeout)"),
    // Go: net/http, `DefaultTransport.IdleConnTimeout`.
    (90, "Go clients (IdleConnTimeout)"),
    // Microsoft IIS: site limits, `connectionTimeout`.
    (120, "IIS (connectionTimeout)"),
    // ASP.NET Core Kestrel: `KeepAliveTimeout`.
    (130, "Kestrel (KeepAliveTimeout)"),
    // Google Cloud external Application Load Balancer: back end keepalive timeout.
    (600, "Google Cloud load balancer (keepalive timeout)"),
    // Envoy: HTTP connection manager, `idle_timeout`.
    (3600, "Envoy (idle_timeout)"),
];

/// Timers that run out after as long as this, or a little sooner: they fire late, not early.
pub fn that_fit(idle: Duration) -> Vec<&'static str> {
    let fits = |seconds: u64| {
        let due = Duration::from_secs(seconds);
        idle.saturating_add(ROUNDING) >= due && idle <= due + LATE
    };
    KNOWN.iter().filter(|(seconds, _)| fits(*seconds)).map(|(_, who)| *who).collect()
}

/// From this long on a silence between two requests is a connection kept alive, not a pause for breath.
pub const IDLE: Duration = Duration::from_secs(1);

/// Sockets measure time in ticks of the kernel's timer.
const ROUNDING: Duration = Duration::from_millis(20);

/// Many look at their connections once a second.
const LATE: Duration = Duration::from_millis(1_200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_at_its_time_or_a_little_later() {
        let fitting = |ms| that_fit(Duration::from_millis(ms)).len();
        assert_eq!(fitting(4_900), 0);
        assert_eq!([fitting(4_990), fitting(5_000), fitting(6_100)], [3, 3, 3]);
        assert_eq!(fitting(6_300), 0);
        assert_eq!(that_fit(Duration::from_secs(75)), ["nginx (keepalive_timeout)"]);
    }

    #[test]
    fn no_timer_waits_for_ever() {
        assert_eq!(that_fit(Duration::MAX), [""; 0]);
    }

    #[test]
    fn they_stand_in_order_of_time() {
        assert!(KNOWN.is_sorted_by_key(|(seconds, _)| seconds));
    }
}

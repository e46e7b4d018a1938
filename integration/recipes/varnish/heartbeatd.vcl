# heartbeatd behind Varnish (tried with 7.1). Varnish forwards only /heartbeat/ to it.
#
# Include it above the site's vcl_recv, so that no other rule comes first, and below the site's
# backend, which stays the default:
#
#     include "/etc/varnish/heartbeatd.vcl";
#
# Where a web server decrypts HTTPS in front of Varnish, use the recipe of that web server
# instead, and route /heartbeat/ past Varnish.

backend heartbeatd {
	.host = "127.0.0.1";
	.port = "8080";

	# heartbeatd answers a poll after at most 25 s, and writes to an event stream every 10 s.
	.first_byte_timeout = 60s;
	.between_bytes_timeout = 60s;
}

sub vcl_recv {
	if (req.url ~ "^/heartbeat/") {
		set req.backend_hint = heartbeatd;

		# heartbeatd pings a WebSocket every 30 s; Varnish closes a silent one after
		# pipe_timeout, which is 60 s by default.
		if (req.http.Upgrade ~ "(?i)websocket") {
			return (pipe);
		}

		# Varnish would let requests for one URL wait for each other, also without storing an
		# answer.
		return (pass);
	}
}

sub vcl_pipe {
	if (req.http.Upgrade) {
		set bereq.http.Upgrade = req.http.Upgrade;
		set bereq.http.Connection = req.http.Connection;
	}
}

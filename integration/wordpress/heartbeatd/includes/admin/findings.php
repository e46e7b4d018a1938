<?php
/**
 * What can be wrong with heartbeatd for this site. integration/wordpress/findings.mjs has written
 * this file from server/finding/findings.json.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns what can be wrong. Backticks in the texts enclose code.
 *
 * @return array<string, array> By name: severity, text, meaning, fix and, by web server, fixes.
 */
function heartbeatd_findings() {
	return array(
		'no-secret' => array(
			'severity' => 'error',
			'text'     => __( 'No secret is set.', 'heartbeatd' ),
			'meaning'  => __( 'Heartbeat works as it does without heartbeatd: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Start heartbeatd with a long random text as `HEARTBEATD_SITE_SECRET` in its environment, and set the same as `HEARTBEATD_SECRET` in `wp-config.php`, or on the settings screen.', 'heartbeatd' ),
		),
		'server-down' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd does not run, or cannot be reached.', 'heartbeatd' ),
			'meaning'  => __( 'Heartbeat works as it does without heartbeatd: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Start heartbeatd, and see its log. If it runs on another machine, check the firewall between the machines.', 'heartbeatd' ),
		),
		'api-unreachable' => array(
			'severity' => 'error',
			'text'     => __( 'WordPress does not reach heartbeatd’s API at `{api}`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages may be connected, but PHP answers their beats: WordPress cannot tell heartbeatd of log-outs, locks and pushes.', 'heartbeatd' ),
			'fix'      => __( 'Set `HEARTBEATD_API` to the address of heartbeatd’s `--admin-listen`, and let WordPress reach it.', 'heartbeatd' ),
		),
		'wrong-listen-address' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd runs, but the web server does not reach it.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Let the web server pass `{path}` on to the address of heartbeatd’s `--listen`. The log of the web server names the address that it uses.', 'heartbeatd' ),
		),
		'wrong-secret' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd has another secret for this site, or does not know the site.', 'heartbeatd' ),
			'meaning'  => __( 'heartbeatd refuses this site’s pages and WordPress’s calls: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Use the same secret and the same site ID in both: `HEARTBEATD_SECRET` and `HEARTBEATD_SITE` in `wp-config.php`, `--site-secret` and `--site-id` of heartbeatd. For a WordPress network, heartbeatd may also need `--site-network`.', 'heartbeatd' ),
		),
		'guessable-secret' => array(
			'severity' => 'warning',
			'text'     => __( 'The secret can be guessed: it is shorter than 32 characters.', 'heartbeatd' ),
			'meaning'  => __( 'Anyone who guesses it can act as any user of heartbeatd. Heartbeat itself is not affected.', 'heartbeatd' ),
			'fix'      => __( 'Use a long random secret (`openssl rand -hex 32`) in WordPress and heartbeatd.', 'heartbeatd' ),
		),
		'clock-off' => array(
			'severity' => 'error',
			'text'     => __( 'The clocks of WordPress and heartbeatd are more than five minutes apart.', 'heartbeatd' ),
			'meaning'  => __( 'heartbeatd refuses this site’s pages and WordPress’s calls: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Synchronize the clocks of both machines by NTP.', 'heartbeatd' ),
		),
		'clock-differs' => array(
			'severity' => 'notice',
			'text'     => __( 'The clocks of WordPress and heartbeatd differ.', 'heartbeatd' ),
			'meaning'  => __( 'Nothing is wrong yet. From five minutes on, heartbeatd refuses this site’s pages.', 'heartbeatd' ),
			'fix'      => __( 'Synchronize the clocks of both machines by NTP.', 'heartbeatd' ),
		),
		'not-ready' => array(
			'severity' => 'warning',
			'text'     => __( 'heartbeatd runs, but is not ready.', 'heartbeatd' ),
			'meaning'  => __( 'Pages connect later. Until then PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Wait until heartbeatd has started. See its log if that takes more than a minute.', 'heartbeatd' ),
		),
		'nats-down' => array(
			'severity' => 'warning',
			'text'     => __( 'heartbeatd has no connection to NATS.', 'heartbeatd' ),
			'meaning'  => __( 'Beats are answered. Pages see only the users of the same heartbeatd, and pushes do not arrive.', 'heartbeatd' ),
			'fix'      => __( 'Start NATS, or correct `--nats-url`.', 'heartbeatd' ),
		),
		'nats-limited' => array(
			'severity' => 'warning',
			'text'     => __( 'NATS does not do everything that heartbeatd needs.', 'heartbeatd' ),
			'meaning'  => __( 'Beats are answered. Presence, pushes or revocations may be missing.', 'heartbeatd' ),
			'fix'      => __( 'See heartbeatd’s log for the cause, and `/readyz` for the part that does not work.', 'heartbeatd' ),
		),
		'no-route' => array(
			'severity' => 'error',
			'text'     => __( 'The web server does not pass `{path}` on to heartbeatd.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat, as without heartbeatd.', 'heartbeatd' ),
			'fix'      => __( 'Route `{path}` to heartbeatd, ahead of the rule that routes everything to WordPress.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'    => __( 'Include `integration/recipes/nginx/heartbeatd.conf` in the `server` block of the site.', 'heartbeatd' ),
				'apache'   => __( 'Include `integration/recipes/apache/heartbeatd.conf` in the `VirtualHost` of the site.', 'heartbeatd' ),
				'caddy'    => __( 'Import `integration/recipes/caddy/heartbeatd.caddyfile` in the block of the site, before `php_fastcgi`.', 'heartbeatd' ),
				'lighttpd' => __( 'Include `integration/recipes/lighttpd/heartbeatd.conf` at the end of `lighttpd.conf`.', 'heartbeatd' ),
				'varnish'  => __( 'Include `integration/recipes/varnish/heartbeatd.vcl` above the `vcl_recv` of the site.', 'heartbeatd' ),
			),
		),
		'route-unchecked' => array(
			'severity' => 'warning',
			'text'     => __( 'WordPress cannot reach its own address, so `{path}` was not checked.', 'heartbeatd' ),
			'meaning'  => __( 'Whether pages can connect is not known.', 'heartbeatd' ),
			'fix'      => __( 'Run `heartbeatd doctor` on another machine, or let WordPress send requests to its own address.', 'heartbeatd' ),
		),
		'plain-permalinks-without-route' => array(
			'severity' => 'error',
			'text'     => __( 'The web server passes `{path}` on to WordPress, which redirects it.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat, as without heartbeatd.', 'heartbeatd' ),
			'fix'      => __( 'Route `{path}` to heartbeatd, ahead of the rule that routes everything to WordPress. Do not use the address of the redirect: it is a page of WordPress.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'    => __( 'Include `integration/recipes/nginx/heartbeatd.conf` in the `server` block of the site.', 'heartbeatd' ),
				'apache'   => __( 'Include `integration/recipes/apache/heartbeatd.conf` in the `VirtualHost` of the site.', 'heartbeatd' ),
				'caddy'    => __( 'Import `integration/recipes/caddy/heartbeatd.caddyfile` in the block of the site, before `php_fastcgi`.', 'heartbeatd' ),
				'lighttpd' => __( 'Include `integration/recipes/lighttpd/heartbeatd.conf` at the end of `lighttpd.conf`.', 'heartbeatd' ),
				'varnish'  => __( 'Include `integration/recipes/varnish/heartbeatd.vcl` above the `vcl_recv` of the site.', 'heartbeatd' ),
			),
		),
		'path-changed' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd does not know the path: the web server changes `{path}`, or heartbeatd has another `--base-path`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Pass the whole path on, and start heartbeatd with the `--base-path` that browsers use.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx' => __( 'Write no path after the address in `proxy_pass`.', 'heartbeatd' ),
			),
		),
		'redirected' => array(
			'severity' => 'error',
			'text'     => __( 'The web server redirects `{path}`.', 'heartbeatd' ),
			'meaning'  => __( 'Browsers do not follow the redirect of a WebSocket: pages cannot connect with one.', 'heartbeatd' ),
			'fix'      => __( 'Set `HEARTBEATD_URL` to the address of the redirect, or remove the redirect for `{path}`.', 'heartbeatd' ),
		),
		'password-required' => array(
			'severity' => 'error',
			'text'     => __( 'The web server requires a password for `{path}`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Exclude `{path}` from the password protection: heartbeatd checks tickets.', 'heartbeatd' ),
		),
		'no-upgrade' => array(
			'severity' => 'warning',
			'text'     => __( 'The web server passes requests on without their upgrade to a WebSocket.', 'heartbeatd' ),
			'meaning'  => __( 'Pages connect over event streams or long-poll, which need more of the server. Over HTTP/1.1 only two pages of a browser are connected at a time.', 'heartbeatd' ),
			'fix'      => __( 'Pass the headers `Upgrade` and `Connection` on, over HTTP/1.1.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'    => __( 'Set `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade` and `proxy_set_header Connection $connection_upgrade`.', 'heartbeatd' ),
				'apache'   => __( 'Add `upgrade=websocket` to `ProxyPass`.', 'heartbeatd' ),
				'caddy'    => __( 'Use `reverse_proxy` without `header_up` for `Upgrade` and `Connection`.', 'heartbeatd' ),
				'lighttpd' => __( 'Set `proxy.header = ( "upgrade" => "enable" )`.', 'heartbeatd' ),
				'varnish'  => __( 'Use `return (pipe)` for WebSockets, and copy their headers in `vcl_pipe`.', 'heartbeatd' ),
			),
		),
		'host-changed' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd refuses the origin of this site’s pages: the web server changes the `Host` header, or heartbeatd has another `--site-origin`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Pass the `Host` header on unchanged, or start heartbeatd with `--site-origin` and the address of the site.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'  => __( 'Set `proxy_set_header Host $http_host`.', 'heartbeatd' ),
				'apache' => __( 'Set `ProxyPreserveHost On`.', 'heartbeatd' ),
			),
		),
		'static-rule' => array(
			'severity' => 'warning',
			'text'     => __( 'A rule for static files answers some addresses below `{path}` in place of heartbeatd.', 'heartbeatd' ),
			'meaning'  => __( 'Pages connect, but scripts from there are missing or old. The plugin has its own copy of `heartbeat.js`.', 'heartbeatd' ),
			'fix'      => __( 'Exclude `{path}` from the rules for static files.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx' => __( 'Write `location ^~ {path}`, so that no rule with a regular expression takes precedence.', 'heartbeatd' ),
			),
		),
		'proxy-protocol' => array(
			'severity' => 'error',
			'text'     => __( 'A server in front of heartbeatd speaks the PROXY protocol.', 'heartbeatd' ),
			'meaning'  => __( 'heartbeatd refuses every request (400): PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Switch the PROXY protocol off for heartbeatd, and send `X-Forwarded-For` instead.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx' => __( 'Remove `proxy_protocol on` for heartbeatd.', 'heartbeatd' ),
				'caddy' => __( 'Remove `proxy_protocol` from the `transport` for heartbeatd.', 'heartbeatd' ),
			),
		),
		'firewall' => array(
			'severity' => 'error',
			'text'     => __( 'A firewall or a CDN refuses requests to `{path}`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect, or not over every transport: PHP answers their beats.', 'heartbeatd' ),
			'fix'      => __( 'Find the rule that blocks the request in the log of the firewall, and exclude `{path}`. For ModSecurity, include `integration/recipes/modsecurity/heartbeatd.conf`.', 'heartbeatd' ),
		),
		'captcha-page' => array(
			'severity' => 'error',
			'text'     => __( 'A page that asks whether a person is there answers in place of heartbeatd.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot solve it in the background, so they cannot connect: PHP answers every beat.', 'heartbeatd' ),
			'fix'      => __( 'Exclude `{path}` from the check of the firewall or CDN.', 'heartbeatd' ),
		),
		'other-answer' => array(
			'severity' => 'error',
			'text'     => __( 'Another program answers requests to `{path}` in place of heartbeatd.', 'heartbeatd' ),
			'meaning'  => __( 'Pages cannot connect, or not over every transport: PHP answers their beats.', 'heartbeatd' ),
			'fix'      => __( 'Find the program in the log of the web server, and let it pass `{path}` on.', 'heartbeatd' ),
		),
		'rate-limited' => array(
			'severity' => 'warning',
			'text'     => __( 'A rate limit refuses requests to `{path}`.', 'heartbeatd' ),
			'meaning'  => __( 'Pages connect later, and PHP answers beats meanwhile.', 'heartbeatd' ),
			'fix'      => __( 'Raise the rate limit for `{path}`. If heartbeatd counts all visitors as one address, name the web server in `--trusted-proxy`.', 'heartbeatd' ),
		),
		'cache-in-front' => array(
			'severity' => 'error',
			'text'     => __( 'A cache in front of heartbeatd stores its answers.', 'heartbeatd' ),
			'meaning'  => __( 'A page may get what is meant for another page.', 'heartbeatd' ),
			'fix'      => __( 'Exclude `{path}` from every cache.', 'heartbeatd' ),
			'fixes'    => array(
				'varnish' => __( 'Use `return (pass)` for `{path}` in `vcl_recv`.', 'heartbeatd' ),
			),
		),
		'streams-held-back' => array(
			'severity' => 'warning',
			'text'     => __( 'A server on the way holds event streams and answers back.', 'heartbeatd' ),
			'meaning'  => __( 'Pages without a WebSocket use long-poll, or see changes late.', 'heartbeatd' ),
			'fix'      => __( 'Pass answers on while heartbeatd writes them. A CDN may hold them back, too.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'    => __( 'Set `proxy_http_version 1.1` and `proxy_buffering off`.', 'heartbeatd' ),
				'apache'   => __( 'Add `flushpackets=on` to `ProxyPass`.', 'heartbeatd' ),
				'caddy'    => __( 'Remove `buffer_responses` and `response_buffers`. With `encode`, add `request_header {path}events -Accept-Encoding`.', 'heartbeatd' ),
				'lighttpd' => __( 'Set `server.stream-response-body = 2`.', 'heartbeatd' ),
			),
		),
		'small-body-limit' => array(
			'severity' => 'warning',
			'text'     => __( 'The web server refuses large requests to `{path}`.', 'heartbeatd' ),
			'meaning'  => __( 'PHP answers large beats, as those of long posts.', 'heartbeatd' ),
			'fix'      => __( 'Allow request bodies of 128 KiB for `{path}`.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'  => __( 'Set `client_max_body_size 128k`.', 'heartbeatd' ),
				'apache' => __( 'Set `LimitRequestBody 131072`.', 'heartbeatd' ),
				'caddy'  => __( 'Raise `max_size` of `request_body` to `128KiB`.', 'heartbeatd' ),
			),
		),
		'small-header-buffer' => array(
			'severity' => 'warning',
			'text'     => __( 'The answers of `admin-ajax.php` have no room for a ticket in their headers.', 'heartbeatd' ),
			'meaning'  => __( 'Pages connect with the ticket that they load with. Later PHP answers every beat, or the web server answers 502.', 'heartbeatd' ),
			'fix'      => __( 'Remove unneeded headers from the answers of `admin-ajax.php`, which plugins and the web server add, or allow larger ones.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx' => __( 'Set `fastcgi_buffer_size 16k`, or `proxy_buffer_size 16k` in front of another web server.', 'heartbeatd' ),
			),
		),
		'small-request-headers' => array(
			'severity' => 'warning',
			'text'     => __( 'The web server refuses requests with as many headers as pages may have: cookies of 4 KiB and a ticket of 2 KiB.', 'heartbeatd' ),
			'meaning'  => __( 'PHP answers the beats of users with many cookies, if it gets them.', 'heartbeatd' ),
			'fix'      => __( 'Allow request headers of 8 KiB.', 'heartbeatd' ),
			'fixes'    => array(
				'nginx'  => __( 'Set `large_client_header_buffers 4 8k`.', 'heartbeatd' ),
				'apache' => __( 'Set `LimitRequestFieldSize 8190`.', 'heartbeatd' ),
			),
		),
		'foreign-cookie' => array(
			'severity' => 'error',
			'text'     => __( 'heartbeatd refuses browsers that are also logged in to another WordPress on this host.', 'heartbeatd' ),
			'meaning'  => __( 'PHP answers the beats of these users.', 'heartbeatd' ),
			'fix'      => __( 'Update heartbeatd: it compares the site’s own log-in cookie only.', 'heartbeatd' ),
		),
		'old-drop-in' => array(
			'severity' => 'warning',
			'text'     => __( 'Pages load another version of `heartbeat.js` than that of this plugin.', 'heartbeatd' ),
			'meaning'  => __( 'An old script may not use everything that heartbeatd offers.', 'heartbeatd' ),
			'fix'      => __( 'Empty the caches of the site, and exclude the plugin’s `heartbeat.js` from plugins that combine or store scripts.', 'heartbeatd' ),
		),
		'version-mismatch' => array(
			'severity' => 'warning',
			'text'     => __( 'The plugin and heartbeatd have different versions.', 'heartbeatd' ),
			'meaning'  => __( 'What is new in one of them may not work.', 'heartbeatd' ),
			'fix'      => __( 'Update heartbeatd first, and then the plugin.', 'heartbeatd' ),
		),
		'heartbeat-disabled' => array(
			'severity' => 'error',
			'text'     => __( 'Heartbeat is disabled: no page loads its script.', 'heartbeatd' ),
			'meaning'  => __( 'Pages do not connect and do not beat.', 'heartbeatd' ),
			'fix'      => __( 'Find the plugin or theme that deregisters the script. With heartbeatd that is not needed: most beats do not reach PHP.', 'heartbeatd' ),
		),
		'script-replaced' => array(
			'severity' => 'error',
			'text'     => __( 'Another plugin has replaced Heartbeat’s script with its own.', 'heartbeatd' ),
			'meaning'  => __( 'Pages do not connect.', 'heartbeatd' ),
			'fix'      => __( 'Deactivate that plugin or this one.', 'heartbeatd' ),
		),
		'pages-without-link' => array(
			'severity' => 'warning',
			'text'     => __( 'Most pages had no link to heartbeatd.', 'heartbeatd' ),
			'meaning'  => __( 'PHP answers the beats of pages without a link.', 'heartbeatd' ),
			'fix'      => __( 'Open Settings → Heartbeatd in the browser of a user whose pages have none, and run `heartbeatd doctor` on their computer.', 'heartbeatd' ),
		),
		'ignored-setting' => array(
			'severity' => 'warning',
			'text'     => __( 'A saved setting has no effect on a network.', 'heartbeatd' ),
			'meaning'  => __( 'Constants in `wp-config.php` or the defaults take its place.', 'heartbeatd' ),
			'fix'      => __( 'Set the constant in `wp-config.php`.', 'heartbeatd' ),
		),
		'unanswered-handles' => array(
			'severity' => 'notice',
			'text'     => __( 'PHP must see beats because of functions of other plugins or the theme.', 'heartbeatd' ),
			'meaning'  => __( 'Everything works, and pushes arrive at once, but PHP answers these beats on the screens where the functions are hooked.', 'heartbeatd' ),
			'fix'      => __( 'Under Settings → Heartbeatd you can let PHP see fewer of these beats.', 'heartbeatd' ),
		),
		'events-wait-for-beats' => array(
			'severity' => 'notice',
			'text'     => __( 'Scheduled events wait for beats of open pages.', 'heartbeatd' ),
			'meaning'  => __( 'When an event is due, heartbeatd passes one beat to PHP, and WordPress runs the event.', 'heartbeatd' ),
			'fix'      => __( 'To run events on time and without beats, set up a system cron and `DISABLE_WP_CRON`.', 'heartbeatd' ),
		),
	);
}

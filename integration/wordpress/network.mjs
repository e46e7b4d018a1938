// Turns a site of the tests into a WordPress network.

import { readFileSync, writeFileSync } from 'node:fs'

// makeNetwork turns the site into a network with a second site in /second/, activates the plugin
// for both, and returns the id of the second one.
export function makeNetwork(site, php) {
	const host = new URL(site.url).host
	php(`require_once ABSPATH . 'wp-admin/includes/upgrade.php'; require_once ABSPATH . 'wp-admin/includes/network.php'; require_once ABSPATH . 'wp-admin/includes/plugin.php';
		global $wpdb; deactivate_plugins('heartbeatd/heartbeatd.php'); foreach ($wpdb->tables('ms_global') as $name => $table) $wpdb->$name = $table;
		install_network(); $made = populate_network(1, '${host}', 'admin@example.org', 'Network', '/', false); if (is_wp_error($made)) throw new Exception($made->get_error_message());`)
	const file = `${site.dir}/wp-config.php`
	const constants = { WP_ALLOW_MULTISITE: true, MULTISITE: true, SUBDOMAIN_INSTALL: false, DOMAIN_CURRENT_SITE: host, PATH_CURRENT_SITE: '/', SITE_ID_CURRENT_SITE: 1, BLOG_ID_CURRENT_SITE: 1 }
	const lines = Object.entries(constants).map(([name, value]) => `define('${name}', ${JSON.stringify(value)});`).join('\n')
	// Every site has its own URL: a constant in wp-config.php would apply to all of them.
	const config = readFileSync(file, 'utf8').replace(/^define\('(WP_HOME|WP_SITEURL)'/gm, "// define('$1'").replace('<?php\n', `<?php\n${lines}\n`)
	writeFileSync(file, config)
	return php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; activate_plugin('heartbeatd/heartbeatd.php', '', true);
		return wp_insert_site(array('domain' => '${host}', 'path' => '/second/', 'network_id' => 1, 'user_id' => ${site.users.admin.id}, 'title' => 'Second'));`)
}

// A WordPress with a stand-in of the Presence API plugin, beside heartbeatd's plugin or alone.
//
//	await withStandIn(t, '0.18', async ({ site, server, php, ask, person, rows }) => { … })
//	await withStandIn(t, '0.17', use, { alone: true })
//
// person(user) is a user with a browser profile of their own, with open(path) and close();
// rows() returns the rows of the table.

import { fileURLToPath } from 'node:url'
import { withLive } from '../../live/live.mjs'
import { addPlugin } from '../../plugin.mjs'

export const VERSIONS = ['0.1.14', '0.15', '0.17', '0.18']

// hasFragments returns whether the ticks of a version carry HTML. Its rows carry their expiry.
export const hasFragments = (version) => ['0.17', '0.18'].includes(version)

// addStandIn installs and activates the stand-in of a version.
export function addStandIn({ site, php }, version) {
	const name = hasFragments(version) ? 'stand-in-fragments' : 'stand-in-lists'
	php(`update_option('stand_in_version', '${version}'); return 1;`)
	addPlugin(site, fileURLToPath(new URL(name, import.meta.url)))
	php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; $r = activate_plugin('${name}/${name}.php'); if (is_wp_error($r)) throw new Exception($r->get_error_message()); return 1;`)
	php('stand_in_create_table(); return 1;') // While ours provided the same functions, the plugin did not define its own.
}

export async function withStandIn(t, version, use, { alone = false, ...options } = {}) {
	await withLive(t, async (parts) => {
		addStandIn(parts, version)
		if (alone) parts.php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins('heartbeatd/heartbeatd.php'); return 1;`)
		const rows = async (where = '1 = 1') => parts.php(`return $GLOBALS['wpdb']->get_results("SELECT * FROM {$GLOBALS['wpdb']->presence} WHERE ${where} ORDER BY room, client_id", ARRAY_A);`)
		await use({ ...parts, version, alone, rows })
	}, options)
}

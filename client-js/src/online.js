// The list of users who are online, in the ticks of PHP. While the page's link is open, PHP does
// not ask heartbeatd for it: the page hears the room.

export const PING = 'presence-ping'
export const ONLINE = 'admin/online'
const MAX_ONLINE = 200

/** Adds the users of a room to a tick, as heartbeatd answers presence-ping. */
export function addOnline(tick, { entries, total }) {
	const newest = entries.sort((a, b) => b.date_gmt.localeCompare(a.date_gmt))
	tick['presence-online'] = newest.slice(0, MAX_ONLINE).map(toUser)
	if (total > MAX_ONLINE) tick['presence-online-total'] = total
}

function toUser({ user_id, display_name, avatar_url, data, date_gmt, idle }) {
	const { screen = '', screen_label = '' } = Object(data)
	return { user_id, display_name, avatar_url, screen: String(screen), screen_label: String(screen_label), date_gmt, idle }
}

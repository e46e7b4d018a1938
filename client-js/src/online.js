// The list of users who are online, in the ticks of PHP. While the page's link is open, PHP does
// not ask heartbeatd for it: the page hears the room.

export const PING = 'presence-ping'
export const ONLINE = 'admin/online'
// The largest list of a tick. Where more users are online, PHP answers.
export const MAX_ONLINE = 200

/** Returns the entries of the room as heartbeatd answers presence-ping: without those of no user. */
export const listOnline = (entries) => entries.filter((entry) => entry.user_id > 0).sort((a, b) => b.date_gmt.localeCompare(a.date_gmt)).map(toUser)

function toUser({ user_id, display_name, avatar_url, data, date_gmt, idle }) {
	const { screen = '', screen_label = '' } = data
	return { user_id, display_name, avatar_url, screen: String(screen), screen_label: String(screen_label), date_gmt, idle }
}

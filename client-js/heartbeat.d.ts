// Types for wp.heartbeat with heartbeatd's drop-in. The nine methods are
// WordPress's own; `room` and `transport` are heartbeatd's.

declare namespace heartbeat {
	type Interval = number | 'fast' | 'long-polling' | (string & {})

	interface Heartbeat {
		hasFocus(): boolean
		hasConnectionError(): boolean
		/** Beats now; does nothing while the page is suspended. */
		connectNow(): void
		disableSuspend(): void
		/** False for an empty handle, and when it is already queued and `noOverwrite` is set. */
		enqueue(handle: string, data: unknown, noOverwrite?: boolean): boolean
		dequeue(handle: string): void
		isQueued(handle: string): boolean | undefined
		getQueuedItem(handle: string): any
		/** Sets and returns the interval in seconds. 5 and 'fast' last for `ticks` beats, by default 30. */
		interval(speed?: Interval, ticks?: number | string): number

		/** Returns a room that this page hears. */
		room(name: string): Room
		readonly transport: Transport
	}

	interface Room {
		/** A copy of the list. A snapshot has at most 200 entries; `total` counts all of them. */
		readonly entries: Entry[]
		readonly total: number
		/** Calls back after each change. Returns a function that ends this. */
		onChange(callback: (room: Room) => void): () => void
	}

	interface Entry {
		client_id: string
		user_id: number
		display_name: string
		avatar_url: string
		data: { screen?: string; screen_label?: string; title?: string; post_id?: number; [key: string]: unknown }
		/** True where the room has more than 64 KiB of large data: `data` has only the screen, its label and the title, with at most 60 characters each. */
		data_cut?: boolean
		/** The time of the last beat, `YYYY-MM-DD HH:MM:SS` in UTC. */
		date_gmt: string
		/** Whether the user is idle, as the page reports it. Without it, the user is idle if `date_gmt` is older than 30 seconds. */
		idle?: boolean
	}

	type TransportName = 'websocket' | 'events' | 'longpoll' | 'post'

	interface Transport {
		readonly name: TransportName
		/** Sets the transports to try, best first; by default those of the page's settings. With an empty list every beat is posted. */
		use(names?: Array<'websocket' | 'events' | 'longpoll'>): void
		/** Sends presence handles over the link without a beat, in addition to those that the page sent before. */
		announce(data: { [handle: string]: unknown }): void
		/** Beats now, as for news from heartbeatd: where PHP answers, in place of the next beat and at most once in an interval. */
		nudge(): void
		/** Removes this page's entries at once, for example at a log-out. */
		leave(): void
	}

	/** `heartbeat-presence` and `heartbeat.presence`: the first event for a room has a snapshot. */
	type Presence =
		| { room: string; snapshot: Entry[]; total: number }
		| { room: string; joined: Entry[]; updated: Entry[]; left: Entry[] }

	/** `heartbeat-push` and `heartbeat.push`. */
	interface Push {
		/** Absent if the push is for this user or for everyone. */
		room?: string
		data: any
	}

	// `heartbeat-missed` and `heartbeat.missed`, without arguments: the page may have missed pushes.

	/** `heartbeat-active-posts` and `heartbeat.active-posts`, on pages whose beats ask with `'frames'`. */
	interface ActivePosts {
		/** As in the tick's handle `presence-active-posts`. */
		posts: Array<{
			post_id: number
			post_title: string
			post_type: string
			edit_url: string
			editors: Array<{ user_id: number; display_name: string; avatar_url: string; status: 'active' | 'idle' }>
		}>
	}

	interface Settings {
		nonce?: string
		ajaxurl?: string
		screenId?: string
		interval?: number | string
		minimalInterval?: number | string
		suspension?: string
		heartbeatd?: {
			url: string
			ticket?: string
			transports?: Array<'websocket' | 'events' | 'longpoll'>
			/** Whether the ticket lets heartbeatd answer beats itself. */
			native?: boolean
			/** How long a post lock lasts, in seconds: `wp_check_post_lock_window`. */
			lock_window?: number
		}
	}
}

interface Window {
	wp: { heartbeat: heartbeat.Heartbeat; [key: string]: any }
	heartbeatSettings?: heartbeat.Settings
}

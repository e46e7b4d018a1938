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
		/** Seconds. 5 and 'fast' last for `ticks` beats, 30 unless told. */
		interval(speed?: Interval, ticks?: number | string): number

		/** What this page knows of a room. */
		room(name: string): Room
		readonly transport: Transport
	}

	interface Room {
		/** A copy, at most 200 entries when the room is larger. */
		readonly entries: Entry[]
		readonly total: number
		/** Calls back after each change; returns what ends that. */
		onChange(callback: (room: Room) => void): () => void
	}

	interface Entry {
		client_id: string
		user_id: number
		display_name: string
		avatar_url: string
		data: { screen?: string; screen_label?: string; title?: string; post_id?: number; [key: string]: unknown }
		/** `YYYY-MM-DD HH:MM:SS`, in UTC: the last sign of life. */
		date_gmt: string
		/** As the page reports it; absent for one without a link, which is idle 30 seconds after `date_gmt`. */
		idle?: boolean
	}

	type TransportName = 'websocket' | 'events' | 'longpoll' | 'post'

	interface Transport {
		readonly name: TransportName
		/** The transports to try, best first; none means that every beat is posted. */
		use(names: Array<'websocket' | 'events' | 'longpoll'>): void
		/** Says over the link, without a beat, what a beat's presence handles would. */
		announce(data: { [handle: string]: unknown }): void
		/** Says that this page logs out: its presence ends at once. */
		leave(): void
	}

	/** `heartbeat-presence` and `heartbeat.presence`: the first for a room is a snapshot. */
	type Presence =
		| { room: string; snapshot: Entry[]; total: number }
		| { room: string; joined: Entry[]; updated: Entry[]; left: Entry[] }

	/** `heartbeat-push` and `heartbeat.push`. */
	interface Push {
		/** Absent when it is for this user or for everyone. */
		room?: string
		data: any
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
			/** For how many seconds a post's lock lasts: `wp_check_post_lock_window`. */
			lock_window?: number
		}
	}
}

interface Window {
	wp: { heartbeat: heartbeat.Heartbeat; [key: string]: any }
	heartbeatSettings?: heartbeat.Settings
}

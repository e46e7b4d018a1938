// Who is where, for every part of the page that shows it. Over a link the rooms
// tell, without one the ticks do. Whoever watches a room hears of it only when
// something that people see has changed: somebody came, moved, became idle or left.
( function( window ) {
	const ONLINE = 'admin/online';
	const IDLE_MS = 30000;
	const LOOK_MS = 5000;
	const MOST = 200;

	const time = ( date ) => Date.parse( String( date ).replace( ' ', 'T' ) + 'Z' ) || 0;

	// Uses what the person's page reports, else what PHP has found, else the date.
	function isIdle( { idle, status, date_gmt: date }, now ) {
		if ( typeof idle === 'boolean' ) {
			return idle;
		}
		return status ? status === 'idle' : now - time( date ) > IDLE_MS;
	}

	function personOf( entry, now ) {
		const data = entry.data || entry; // an item of presence-online says it without a data
		return {
			id: Number( entry.user_id ),
			name: String( entry.display_name || '' ),
			avatar: String( entry.avatar_url || '' ),
			screen: String( data.screen_label || data.screen || '' ),
			idle: isIdle( entry, now ),
			at: time( entry.date_gmt ),
		};
	}

	// One person for each user. Of several entries, as an editor's and its lock's, the
	// newest gives the screen, and the person is idle if all of them are.
	function fold( entries, now ) {
		const people = new Map();
		entries.forEach( ( entry ) => {
			const person = personOf( entry, now );
			const known = people.get( person.id );
			if ( person.id > 0 ) {
				const newest = known && known.at >= person.at ? known : person;
				people.set( person.id, Object.assign( {}, newest, { idle: person.idle && ( ! known || known.idle ) } ) );
			}
		} );
		return Array.from( people.values() )
			.sort( ( a, b ) => a.name.localeCompare( b.name ) || a.id - b.id )
			.map( ( { id, name, avatar, screen, idle } ) => ( { id, name, avatar, screen, idle } ) );
	}

	function createPeople( { heartbeat, me, serverTime, clock = Date.now } ) {
		const rooms = new Map();
		const joined = new Set();
		const watchers = [];
		let ahead = serverTime ? serverTime - clock() : 0; // the server's clock, to this one's

		// Core's client has no link, and one that tells nothing of rooms is no help here.
		const linked = () => Boolean( heartbeat.room && heartbeat.transport ) && heartbeat.transport.name !== 'post';

		function set( name, entries, total ) {
			const known = entries.slice( 0, MOST );
			rooms.set( name, { entries: known, more: Math.max( 0, ( Number( total ) || 0 ) - known.length, entries.length - known.length ) } );
			look( name );
		}

		function see( name ) {
			const now = clock() + ahead;
			const { entries, more } = rooms.get( name );
			let people = fold( entries, now );
			// Before its first beat, and while it is hidden, this page is in no room; its reader is here.
			if ( name === ONLINE && me && ! people.some( ( person ) => person.id === me.user_id ) ) {
				people = fold( entries.concat( Object.assign( { status: 'active' }, me ) ), now );
			}
			return { people, total: people.length + more };
		}

		function look( name ) {
			watchers.forEach( ( watcher ) => {
				if ( ( name && name !== watcher.room ) || ! rooms.has( watcher.room ) ) {
					return;
				}
				const seen = see( watcher.room );
				const signature = JSON.stringify( seen );
				if ( signature !== watcher.told ) {
					watcher.told = signature;
					watcher.tell( seen );
				}
			} );
		}

		// Hears of a room from the drop-in, once.
		function join( name ) {
			if ( ! heartbeat.room || joined.has( name ) ) {
				return;
			}
			joined.add( name );
			const known = heartbeat.room( name );
			known.onChange( ( { entries, total } ) => set( name, entries, total ) );
			if ( linked() && known.total ) {
				set( name, known.entries, known.total );
			}
		}

		const watchesPosts = () => watchers.some( ( { room } ) => room.indexOf( 'postType/' ) === 0 );

		return {
			/** Tells about a room, as { people, total }, as soon as it is known and whenever it changes. */
			watch( room, tell ) {
				join( room );
				watchers.push( { room, tell } );
				look( room );
			},

			/** heartbeat-transport.js adds rooms to core's client when the page is ready. */
			ready: () => watchers.forEach( ( { room } ) => join( room ) ),

			/** Asks for a beat, where there is a client. */
			beat: () => heartbeat.connectNow && heartbeat.connectNow(),

			/** Without a link, the posts' rooms are asked for with the beats that PHP answers anyway. */
			beforeBeat( data ) {
				if ( ! linked() && watchesPosts() ) {
					data[ 'presence-active-posts-ping' ] = true;
				}
			},

			tick( response ) {
				if ( Number( response.server_time ) ) {
					ahead = response.server_time * 1000 - clock();
				}
				if ( linked() ) {
					return;
				}
				if ( Array.isArray( response[ 'presence-online' ] ) ) {
					set( ONLINE, response[ 'presence-online' ], response[ 'presence-online-total' ] );
				}
				if ( Array.isArray( response[ 'presence-active-posts' ] ) && watchesPosts() ) {
					const posts = new Map( response[ 'presence-active-posts' ].map( ( post ) => [ `postType/${ post.post_type }:${ post.post_id }`, post.editors || [] ] ) );
					new Set( watchers.map( ( { room } ) => room ) ).forEach( ( room ) => room !== ONLINE && set( room, posts.get( room ) || [] ) );
				}
			},

			/** Looks at the time: people without a link become idle without anybody saying so. */
			look: () => look(),
			linked,
			now: () => clock() + ahead,
		};
	}

	window.heartbeatdUi = Object.assign( window.heartbeatdUi || {}, { createPeople } );
	if ( ! window.jQuery ) {
		return;
	}

	// Another plugin may have removed the client: then the page stays as PHP printed it.
	const heartbeat = ( window.wp && window.wp.heartbeat ) || {};
	const { me, now } = window.heartbeatdUi;
	const people = createPeople( { heartbeat, me, serverTime: now } );
	window.heartbeatdUi.people = people;
	window.jQuery( people.ready );
	window.jQuery( window.document )
		.on( 'heartbeat-send.heartbeatd-people', ( event, data ) => {
			if ( window.document.visibilityState !== 'hidden' ) {
				people.beforeBeat( data );
			}
		} )
		.on( 'heartbeat-tick.heartbeatd-people', ( event, response ) => people.tick( response ) );
	window.setInterval( people.look, LOOK_MS );
}( window ) );

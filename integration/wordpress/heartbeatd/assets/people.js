// Keeps the users in rooms for every part of the page that shows them. Over a link the
// rooms report changes; without one, ticks do. A callback that watches a room runs only when
// what it shows has changed: a user came, left, changed the screen, or became idle or active.
( function( window ) {
	const ONLINE = 'admin/online';
	const IDLE_MS = 30000;
	const UPDATE_MS = 5000;
	const MAX_ENTRIES = 200;

	const MAX_TEXT = 191;

	// Other users can write any data: String() and Number() fail for an object without a usable
	// toString(). A text is as long as that of a ping at most.
	const text = ( value ) => ( typeof value === 'string' || typeof value === 'number' ? String( value ).slice( 0, MAX_TEXT ) : '' );
	const url = ( value ) => ( typeof value === 'string' ? value : '' );
	const number = ( value ) => Number( text( value ) ) || 0;
	const list = ( value ) => ( Array.isArray( value ) ? value.filter( ( item ) => item && typeof item === 'object' ) : [] );

	const parseDate = ( date ) => Date.parse( text( date ).replace( ' ', 'T' ) + 'Z' ) || 0;

	const isPostRoom = ( room ) => room.indexOf( 'postType/' ) === 0;

	// A tick names the editors of a post without their client ids.
	const isEditor = ( { client_id: id } ) => id === undefined || /^editor-/.test( text( id ) );

	// Uses what the user's page reports, otherwise what PHP has computed, otherwise the date.
	function isIdle( { idle, status, date_gmt: date }, now ) {
		if ( typeof idle === 'boolean' ) {
			return idle;
		}
		return status ? status === 'idle' : now - parseDate( date ) > IDLE_MS;
	}

	function personOf( entry, now ) {
		const data = entry.data || entry; // items of presence-online have no data
		return {
			id: number( entry.user_id ),
			name: text( entry.display_name ),
			avatar: url( entry.avatar_url ),
			screen: text( data.screen_label ) || text( data.screen ),
			idle: isIdle( entry, now ),
			at: parseDate( entry.date_gmt ),
		};
	}

	// Merges entries into one person for each user. Of several entries, as an editor's and its
	// lock's, the newest gives the screen. The user is idle if all entries are.
	function mergeByUser( entries, now ) {
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
		const subscribed = new Set();
		const watchers = [];
		let offset = serverTime ? serverTime - clock() : 0; // of the server's clock

		// Core's client has no link, and another client may not report rooms.
		const isLinked = () => Boolean( heartbeat.room && heartbeat.transport ) && heartbeat.transport.name !== 'post';

		function setRoom( name, entries, total ) {
			const valid = list( entries );
			const known = valid.slice( 0, MAX_ENTRIES );
			rooms.set( name, { entries: known, more: Math.max( 0, number( total ) - known.length, valid.length - known.length ) } );
			update( name );
		}

		function peopleIn( name ) {
			const now = clock() + offset;
			const { entries, more } = rooms.get( name );
			let people = mergeByUser( entries, now );
			// This page has no entry before its first beat, or while it is hidden. Its user is online.
			if ( name === ONLINE && me && ! people.some( ( person ) => person.id === me.user_id ) ) {
				people = mergeByUser( entries.concat( Object.assign( { status: 'active' }, me ) ), now );
			}
			return { people, total: people.length + more };
		}

		function update( name ) {
			watchers.forEach( ( watcher ) => {
				if ( ( name && name !== watcher.room ) || ! rooms.has( watcher.room ) ) {
					return;
				}
				const shown = peopleIn( watcher.room );
				const signature = JSON.stringify( shown );
				if ( signature !== watcher.signature ) {
					watcher.signature = signature;
					watcher.callback( shown );
				}
			} );
		}

		// Subscribes to a room of the drop-in, once.
		function subscribe( name ) {
			if ( ! heartbeat.room || subscribed.has( name ) ) {
				return;
			}
			subscribed.add( name );
			const known = heartbeat.room( name );
			known.onChange( ( { entries, total } ) => setRoom( name, entries, total ) );
			if ( isLinked() && known.total ) {
				setRoom( name, known.entries, known.total );
			}
		}

		const watchesPosts = () => watchers.some( ( { room } ) => isPostRoom( room ) );

		return {
			/**
			 * Calls back with a room, as { people, total }, as soon as it is known and whenever it
			 * changes, until the function that it returns is called.
			 */
			watch( room, callback ) {
				const watcher = { room, callback };
				subscribe( room );
				watchers.push( watcher );
				update( room );
				return () => watchers.splice( watchers.indexOf( watcher ), 1 );
			},

			/** The ids of the users who edit a room's post, as far as they are known. */
			editors: ( room ) => Array.from( new Set( rooms.get( room ).entries.filter( isEditor ).map( ( entry ) => number( entry.user_id ) ) ) ),

			/** Subscribes again when the page is ready: heartbeat-transport.js adds rooms to core's client then. */
			ready: () => watchers.forEach( ( { room } ) => subscribe( room ) ),

			/** Says over the link what a beat's presence handles would, if the client can. */
			announce: ( handles ) => heartbeat.transport && heartbeat.transport.announce && heartbeat.transport.announce( handles ),

			/** Beats, if there is a client. */
			beat: () => heartbeat.connectNow && heartbeat.connectNow(),

			/** Without a link, asks for the posts' rooms with the beats, which PHP answers anyway. */
			beforeBeat( data ) {
				if ( ! isLinked() && watchesPosts() ) {
					data[ 'presence-active-posts-ping' ] = true;
				}
			},

			tick( response ) {
				if ( number( response.server_time ) ) {
					offset = response.server_time * 1000 - clock();
				}
				if ( isLinked() ) {
					return;
				}
				if ( Array.isArray( response[ 'presence-online' ] ) ) {
					setRoom( ONLINE, response[ 'presence-online' ], response[ 'presence-online-total' ] );
				}
				if ( Array.isArray( response[ 'presence-active-posts' ] ) && watchesPosts() ) {
					const posts = new Map( list( response[ 'presence-active-posts' ] ).map( ( post ) => [ `postType/${ text( post.post_type ) }:${ text( post.post_id ) }`, post.editors ] ) );
					new Set( watchers.map( ( { room } ) => room ) ).forEach( ( room ) => isPostRoom( room ) && setRoom( room, posts.get( room ) || [] ) );
				}
			},

			/** Updates what depends on the time: users without a link become idle without a message. */
			update: () => update(),
			isLinked,
			now: () => clock() + offset,
		};
	}

	window.heartbeatdUi = Object.assign( window.heartbeatdUi || {}, { createPeople, text, url, number, list } );
	if ( ! window.document ) {
		return;
	}

	// A page of the site's front end may have only the link. Another plugin may have removed the
	// client: then the page stays as PHP has printed it.
	const heartbeat = window.heartbeatdLink || ( window.wp && window.wp.heartbeat ) || {};
	const { me, now } = window.heartbeatdUi;
	const people = createPeople( { heartbeat, me, serverTime: now } );
	window.heartbeatdUi.people = people;
	window.setInterval( people.update, UPDATE_MS );
	if ( ! window.jQuery ) {
		return;
	}
	window.jQuery( people.ready );
	window.jQuery( window.document )
		.on( 'heartbeat-send.heartbeatd-people', ( event, data ) => {
			if ( window.heartbeatdUi.pings !== false && window.document.visibilityState !== 'hidden' ) {
				people.beforeBeat( data );
			}
		} )
		.on( 'heartbeat-tick.heartbeatd-people', ( event, response ) => people.tick( response ) );
}( window ) );

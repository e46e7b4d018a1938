// wp.presence.usePresenceUsers( room ): a React hook with the users in a room. Over a link the room
// is live; where ticks name its users, they are those of the last tick. The users of any other room
// come from a REST request with each tick.
( function( window, ui, { useEffect, useState }, apiFetch, hooks ) {
	const FIELDS = 'user_id,display_name,avatar_url';
	const LOADING = { users: [], isLoading: true, error: null };
	const NOBODY = { users: [], isLoading: false, error: null };
	const followed = new Map(); // by room and fields: what the components of the page share

	const isInTicks = ( room ) => /^(admin\/online$|postType\/)/.test( room );

	function usersOf( entries ) {
		const users = new Map();
		ui.list( entries ).forEach( ( { user_id: user, display_name: name, avatar_url: avatar } ) => {
			const id = ui.number( user );
			if ( id > 0 && ! users.has( id ) ) {
				users.set( id, { id, userId: id, displayName: ui.text( name ) || `User ${ id }`, avatarUrl: ui.url( avatar ) } );
			}
		} );
		return Array.from( users.values() );
	}

	function follow( room, fields, update ) {
		let isKnown = false; // to the page: no request is needed
		let isAsking = false;
		const unwatch = ui.people.watch( room, ( { people } ) => {
			isKnown = true;
			update( Object.assign( {}, NOBODY, { users: usersOf( people.map( ( { id, name, avatar } ) => ( { user_id: id, display_name: name, avatar_url: avatar } ) ) ) } ) );
		} );
		const isLive = () => isKnown && ( ui.people.isLinked() || isInTicks( room ) );

		async function ask() {
			if ( isAsking || isLive() ) {
				return;
			}
			isAsking = true;
			let next;
			try {
				const query = new window.URLSearchParams( { room, _fields: fields } );
				next = Object.assign( {}, NOBODY, { users: usersOf( await apiFetch( { path: `/wp-presence/v1/presence?${ query }` } ) ) } );
			} catch ( error ) {
				next = Object.assign( {}, NOBODY, { error } );
			}
			isAsking = false;
			if ( ! isLive() ) {
				update( next );
			}
		}

		const name = `heartbeatd/users/${ encodeURIComponent( `${ room } ${ fields }` ).replace( /[^\w./-]/g, '_' ) }`;
		hooks.addAction( 'heartbeat.tick', name, ask );
		ask();
		return () => {
			unwatch();
			hooks.removeAction( 'heartbeat.tick', name );
		};
	}

	function subscribe( room, fields, callback ) {
		const key = `${ room } ${ fields }`;
		if ( ! followed.has( key ) ) {
			const shared = { state: LOADING, callbacks: new Set() };
			followed.set( key, shared );
			shared.stop = follow( room, fields, ( state ) => {
				shared.state = state;
				shared.callbacks.forEach( ( call ) => call( state ) );
			} );
		}
		const shared = followed.get( key );
		shared.callbacks.add( callback );
		callback( shared.state );
		return () => {
			shared.callbacks.delete( callback );
			if ( ! shared.callbacks.size ) {
				followed.delete( key );
				shared.stop();
			}
		};
	}

	function usePresenceUsers( room, { includeSelf = false, fields = FIELDS } = {} ) {
		const [ state, setState ] = useState( room ? LOADING : NOBODY );
		useEffect( () => {
			if ( room ) {
				return subscribe( room, fields, setState );
			}
			setState( NOBODY );
			return undefined;
		}, [ room, fields ] );
		const users = state.users.filter( ( { id } ) => includeSelf || ! ui.me || id !== ui.me.user_id );
		return Object.assign( {}, state, { users, isPresent: users.length > 0 } );
	}

	window.wp.presence = Object.assign( window.wp.presence || {}, { usePresenceUsers } );
}( window, window.heartbeatdUi, window.wp.element, window.wp.apiFetch, window.wp.hooks ) );

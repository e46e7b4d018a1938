// What the Presence API offers to other scripts, besides the events of wp.heartbeat: actions and
// filters of wp.hooks, and wp.presence.markScreenStale().
( function( window, $, ui ) {
	const { document, wp } = window;
	const { hooks } = wp;
	const FRAGMENTS = 'presence-fragments';
	let { nonce } = ui.api;

	wp.presence = wp.presence || {};

	/** Gives a screen a new revision, after a save that WordPress does not see. Returns a promise. */
	wp.presence.markScreenStale = ( key ) => $.ajax( {
		url: ui.api.stale,
		method: 'POST',
		headers: { 'X-WP-Nonce': nonce },
		data: { screen_key: key },
	} );

	// The edited post: whether other users edit it, too. The first state that is known fires nothing.
	function watchCollaboration( room ) {
		let isShared = null;
		hooks.doAction( 'presence-api.watchingRoom', room );
		ui.people.watch( room, () => {
			const count = 1 + ui.people.editors( room ).filter( ( id ) => id !== ui.me.user_id ).length;
			const was = isShared;
			isShared = count > 1;
			if ( was !== null && was !== isShared ) {
				hooks.doAction( isShared ? 'presence-api.collaborationStarted' : 'presence-api.collaborationEnded', room, count );
			}
		} );
	}

	// Surfaces of other plugins. Their requests are for PHP, and go with the page's beats.
	const surfaces = () => hooks.applyFilters( 'presence-api.liveSurfaces', [] );
	const shownHtml = new Map();

	function addRequests( data ) {
		const requests = {};
		surfaces().forEach( ( { key, target, request } ) => {
			const wanted = target() && ( request ? request() : true );
			if ( wanted ) {
				requests[ key ] = wanted;
			}
		} );
		if ( Object.keys( requests ).length ) {
			data[ FRAGMENTS ] = Object.assign( requests, data[ FRAGMENTS ] );
		}
	}

	// A user who uses a surface would lose the focus or a selection: the next tick updates it.
	const isInUse = ( element ) => element.matches( ':hover' ) || element.contains( document.activeElement ) || Boolean( element.querySelector( 'input:checked' ) );

	function showFragment( { key, apply }, element, html, slot ) {
		if ( ! element || shownHtml.get( slot ) === html || isInUse( element ) ) {
			return;
		}
		shownHtml.set( slot, html );
		if ( apply ) {
			apply( element, html );
		} else {
			element.innerHTML = html; // of the plugin's own PHP, which escapes it
		}
		ui.announceUpdate( key, element );
	}

	function showFragments( fragments ) {
		surfaces().forEach( ( surface ) => {
			const answer = fragments[ surface.key ];
			if ( typeof answer === 'string' ) {
				showFragment( surface, surface.target(), answer, surface.key );
			} else if ( answer ) {
				Object.keys( answer ).forEach( ( id ) => showFragment( surface, surface.target( id ), answer[ id ], `${ surface.key } ${ id }` ) );
			}
		} );
	}

	hooks.addAction( 'heartbeat.send', 'heartbeatd/api', ( data ) => {
		if ( document.visibilityState !== 'hidden' ) {
			addRequests( data );
		}
	} );
	hooks.addAction( 'heartbeat.tick', 'heartbeatd/api', ( response ) => {
		nonce = response.rest_nonce || nonce;
		showFragments( response[ FRAGMENTS ] || {} );
	} );
	hooks.addAction( 'heartbeat.presence', 'heartbeatd/api', ( { room } ) => hooks.doAction( 'presence-api.roomChanged', room ) );
	if ( ui.room ) {
		watchCollaboration( ui.room );
	}
}( window, window.jQuery, window.heartbeatdUi ) );

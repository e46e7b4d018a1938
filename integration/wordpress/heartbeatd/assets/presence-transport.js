// Makes heartbeatd the push transport of the Presence API plugin. While heartbeatd holds the rows
// of this page's user, that plugin's beats and the page's end leave them alone. When heartbeatd
// reports that a room has changed, one visible page of the browser beats and shows it.
( function( $, hooks, config ) {
	// A link that is lost is back within this time, unless heartbeatd is down.
	const RECONNECT_MS = 15000;
	// The time over which pages beat when heartbeatd no longer holds rows.
	const RELEASE_SPREAD_MS = 3000;

	const LOCKS = 'wp-check-locked-posts';

	let holds = false; // heartbeatd holds the rows of this page's user
	let releasing = 0; // the timer that ends this when the link is not back in time
	let pinged = false; // the last beat carried the page's ping: it leads the tabs of the browser
	let beats = 0;

	function beat() {
		if ( pinged && document.visibilityState !== 'hidden' ) {
			window.wp.heartbeat.connectNow();
		}
	}

	function hold( is ) {
		window.clearTimeout( releasing );
		releasing = 0;
		if ( holds && ! is ) {
			window.setTimeout( beat, Math.random() * RELEASE_SPREAD_MS ); // writes the rows
		}
		holds = is;
	}

	// The page's own room comes first: that plugin may listen for it alone. One beat brings all rooms.
	function roomsChanged( rooms ) {
		const before = beats;
		if ( ! hooks.hasAction( 'presence-api.roomChanged' ) ) {
			beat();
			return;
		}
		rooms
			.filter( ( room ) => room === config.room )
			.concat( rooms.filter( ( room ) => room !== config.room ) )
			.some( ( room ) => {
				hooks.doAction( 'presence-api.roomChanged', room );
				return beats !== before;
			} );
	}

	// At pagehide the link is already closed, but heartbeatd still holds the rows.
	hooks.addFilter( 'presence-api.keepalive', 'heartbeatd/presence', ( keepalive ) => ( holds ? false : keepalive ) );

	// After the handlers of that plugin.
	hooks.addAction( 'heartbeat.send', 'heartbeatd/presence', ( data ) => {
		beats++;
		pinged = 'presence-ping' in data;
	}, 1000 );

	// That plugin passes a part of the leading tab's tick to the other tabs as a tick. For core a tick
	// without locks means that no post of the list is locked: core gets the locks again.
	let locks; // as the page's own last tick has them
	$( document ).on( 'heartbeat-tick.heartbeatd', ( event, tick, status, jqXHR ) => {
		if ( jqXHR ) {
			locks = tick[ LOCKS ];
		} else if ( locks && ! tick[ LOCKS ] ) {
			window.setTimeout( () => $( document ).trigger( `heartbeat-tick.${ LOCKS }`, [ { [ LOCKS ]: locks } ] ) );
		}
	} );

	$( document ).on( 'heartbeat-transport.heartbeatd', ( event, name ) => {
		if ( name === 'post' && holds && ! releasing ) {
			releasing = window.setTimeout( hold, RECONNECT_MS, false );
		}
	} );

	$( document ).on( 'heartbeat-push.heartbeatd', ( event, push ) => {
		const news = push.data && push.data.heartbeatd && push.data.heartbeatd.presence;
		if ( ! news ) {
			return;
		}
		if ( typeof news.holds === 'boolean' ) {
			hold( news.holds );
		}
		if ( Array.isArray( news.rooms ) ) {
			window.setTimeout( roomsChanged, Math.random() * Math.min( typeof news.spread_ms === 'number' ? news.spread_ms : 0, 1000 ), news.rooms.filter( ( room ) => typeof room === 'string' ) );
		}
	} );
}( jQuery, window.wp.hooks, window.heartbeatdPresence ) );

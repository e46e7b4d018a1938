// Reports with every beat where the user is. The page may run core's client, an older
// drop-in or none, so each use checks for what the drop-in adds.
( function( $, config ) {
	function client() {
		return ( window.wp && window.wp.heartbeat ) || {};
	}

	function transport() {
		return client().transport || { name: 'post' };
	}

	function beat() {
		if ( client().connectNow ) {
			client().connectNow();
		}
	}

	function nudge() {
		if ( transport().nudge ) {
			transport().nudge();
		} else {
			beat();
		}
	}

	function addHandles( data ) {
		// A plugin's script may have set the handle, with more in it.
		data['presence-ping'] = data['presence-ping'] || { screen: window.pagenow };
		if ( config.post ) {
			data['presence-editor-ping'] = { post_id: config.post };
		}
		return data;
	}

	// Another plugin that provides the Presence API adds its handles itself, in the tabs and at the
	// times that it chooses.
	if ( ! config.beside ) {
		$( document ).on( 'heartbeat-send.heartbeatd', function( event, data ) {
			if ( document.visibilityState !== 'hidden' ) {
				addHandles( data );
			}
		} );

		// Presence is reported when the link opens, independently of the first beat.
		if ( transport().announce && document.visibilityState !== 'hidden' ) {
			transport().announce( addHandles( {} ) );
		}
	}

	// Where heartbeatd answers the page's beats, the first one is sent at once: it costs PHP nothing.
	if ( config.early && window.heartbeatSettings && window.heartbeatSettings.heartbeatd && window.heartbeatSettings.heartbeatd.native ) {
		$( function() {
			if ( transport().name === 'post' ) {
				$( document ).one( 'heartbeat-transport.heartbeatd', beat );
			} else {
				beat();
			}
		} );
	}

	// A page that becomes visible beats at once if heartbeatd answers. If PHP does, its next beat
	// comes early: there are no more of them.
	document.addEventListener( 'visibilitychange', function() {
		if ( document.visibilityState !== 'hidden' && transport().nudge ) {
			transport().nudge();
		}
	} );

	// The widgets of another plugin show what a tick has: a beat follows when somebody comes, leaves
	// or goes to another screen, or when PHP has changed a room. One action of a user is news several
	// times within a second: each beat takes one of three tokens, and one comes back after a second.
	// An editor beats every ten seconds anyway: its early beat is for news of the post's lock.
	if ( config.beside && ! config.post ) {
		const screens = new Map();
		let timer = 0;
		let due = 0; // when the timer fires
		let latest = 0; // the latest time for which an event asks a beat
		let last = -1000; // the last of these beats
		let full = 0; // when all tokens are back

		// If the timer fires before the time for which the latest event asks, one more follows.
		const schedule = function( at ) {
			const now = window.performance.now();
			at = Math.max( at, last + 250, full - 2000, now );
			if ( timer && due <= at ) {
				return;
			}
			window.clearTimeout( timer );
			due = at;
			timer = window.setTimeout( function() {
				timer = 0;
				last = window.performance.now();
				full = Math.max( full, last ) + 1000;
				if ( document.visibilityState !== 'hidden' ) {
					nudge();
				}
				if ( latest > due ) {
					schedule( latest );
				}
			}, at - now );
		};

		const beatIn = function( wait ) {
			const at = window.performance.now() + wait;
			latest = Math.max( latest, at );
			schedule( at );
		};

		// Becoming idle does not count, nor does the first snapshot.
		const isNews = function( entry ) {
			const data = Object( entry.data );
			const screen = JSON.stringify( [ data.screen, data.title ] );
			const moved = screens.get( entry.client_id ) !== screen;
			screens.set( entry.client_id, screen );
			return moved;
		};

		$( document ).on( 'heartbeat-presence.heartbeatd', function( event, change ) {
			if ( change.room !== 'admin/online' ) {
				return;
			}
			if ( change.snapshot ) {
				screens.clear();
				change.snapshot.forEach( isNews );
				return;
			}
			const news = change.joined.concat( change.updated ).filter( isNews ).length;
			change.left.forEach( function( entry ) {
				screens.delete( entry.client_id );
			} );
			if ( news || change.left.length ) {
				beatIn( 0 );
			}
		} );
		// heartbeatd answers with its own entries, and removes that of a closed editor 0.5 s later.
		$( document ).on( 'heartbeat-push.heartbeatd-rooms', function( event, push ) {
			if ( push.data && push.data.heartbeatd && push.data.heartbeatd.presence && push.data.heartbeatd.presence.rooms ) {
				beatIn( 600 );
			}
		} );
	}

	// An editor that is closed releases its lock a few seconds later: the list beats again then.
	if ( config.list ) {
		$( document ).on( 'heartbeat-push.heartbeatd', function( event, push ) {
			const after = push.data && push.data.heartbeatd && push.data.heartbeatd.beat_after_ms;
			if ( typeof after === 'number' && after > 0 && after < 60000 ) {
				window.setTimeout( nudge, after );
			}
		} );
	}
}( jQuery, window.heartbeatdPresence ) );

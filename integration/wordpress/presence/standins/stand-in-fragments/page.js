// The script of a page. Of the tabs of one browser that show the same page, one visible tab is
// the leader: it sends the ping, and passes what the tick says of presence on to the others.
( function( $, config ) {
	const hooks = window.wp.hooks;
	const name = 'stand-in ' + [ config.ajaxUrl, config.ping.screen, config.ping.post_id, config.ping.title ].join( ' ' );
	const channel = new window.BroadcastChannel( name );
	const surfaces = { 'admin-bar': '#wp-admin-bar-presence-online', 'active-posts': '#presence-active-posts-list' };
	let resign = null; // set while this tab is the leader
	let candidate = false;
	let hash = '';
	let unchanged = 0;
	let interval = 0; // the interval before it was widened

	function visible() {
		return document.visibilityState === 'visible';
	}

	function beat() {
		window.wp.heartbeat.connectNow();
	}

	// keepalive is whether Heartbeat writes and removes the page's rows, and no transport.
	function keepalive() {
		return ! config.hasTransportHooks || hooks.applyFilters( 'presence-api.keepalive', true ) !== false;
	}

	function stand() {
		if ( candidate || ! visible() ) {
			return;
		}
		candidate = true;
		navigator.locks.request( name, function() {
			candidate = false;
			return visible() && new Promise( function( done ) {
				resign = done;
				beat();
			} );
		} );
	}

	function narrow() {
		unchanged = 0;
		if ( interval ) {
			window.wp.heartbeat.interval( interval );
			interval = 0;
		}
	}

	function show( fragments ) {
		Object.keys( surfaces ).forEach( function( key ) {
			const element = document.querySelector( surfaces[ key ] );
			if ( element && key in fragments ) {
				element.innerHTML = fragments[ key ];
				hooks.doAction( 'presence-api.surfaceUpdated', key, element );
			}
		} );
		Object.entries( fragments.editors || {} ).forEach( function( entry ) {
			$( '#' + entry[ 0 ] + ' .stand-in-editors' ).html( entry[ 1 ] );
		} );
	}

	function take( tick ) {
		if ( tick[ 'presence-fragments' ] ) {
			show( tick[ 'presence-fragments' ] );
		}
		if ( tick[ 'presence-screen-token' ] ) {
			config.ping.token = tick[ 'presence-screen-token' ].token;
		}
		if ( tick[ 'presence-online-hash' ] ) {
			hash = tick[ 'presence-online-hash' ];
			narrow();
		} else if ( tick[ 'presence-online-unchanged' ] && ++unchanged === config.ticks ) {
			const wide = Math.min( config.pause, config.ttl - 15 );
			if ( window.wp.heartbeat.interval() < wide ) {
				interval = window.wp.heartbeat.interval();
				window.wp.heartbeat.interval( wide );
			}
		}
	}

	$( document ).on( 'heartbeat-send.stand-in', function( event, data ) {
		if ( ! visible() ) {
			delete data[ 'wp-refresh-post-lock' ];
		}
		if ( hash ) {
			data[ 'presence-online-hash' ] = hash;
		}
		if ( ! resign || ! visible() ) {
			return;
		}
		data[ 'presence-ping' ] = Object.assign( {}, config.ping, keepalive() ? {} : { held: 1 } );
		if ( config.editing ) {
			data[ 'presence-editor-ping' ] = { post_id: config.editing };
		}
		data[ 'presence-fragments' ] = {};
		Object.keys( surfaces ).forEach( function( key ) {
			if ( document.querySelector( surfaces[ key ] ) ) {
				data[ 'presence-fragments' ][ key ] = true;
			}
		} );
	} );

	$( document ).on( 'heartbeat-tick.stand-in', function( event, tick, status, jqXHR ) {
		take( tick );
		if ( resign && jqXHR ) {
			channel.postMessage( Object.fromEntries( Object.entries( tick ).filter( ( [ key ] ) => key.startsWith( 'presence-' ) ) ) );
		}
	} );

	channel.onmessage = function( event ) {
		if ( ! resign ) {
			$( document ).trigger( 'heartbeat-tick', [ event.data ] );
		}
	};

	document.addEventListener( 'visibilitychange', function() {
		if ( visible() ) {
			narrow();
			stand();
			beat();
		} else if ( resign ) {
			resign();
			resign = null;
		}
	} );
	document.addEventListener( 'keyup', narrow );

	window.addEventListener( 'pagehide', function() {
		if ( ! keepalive() ) {
			return;
		}
		config.rows.forEach( function( row ) {
			const url = new URL( config.rest );
			url.searchParams.set( 'room', row[ 0 ] );
			url.searchParams.set( 'client_id', row[ 1 ] );
			window.fetch( url, { method: 'DELETE', keepalive: true, headers: { 'X-WP-Nonce': config.nonce } } );
		} );
	} );

	if ( config.hasTransportHooks ) {
		hooks.addAction( 'presence-api.roomChanged', 'stand-in', function() {
			if ( resign && visible() ) {
				beat();
			}
		} );
	}

	$( function() {
		config.rows.forEach( ( row ) => hooks.doAction( 'presence-api.watchingRoom', row[ 0 ] ) );
		stand();
	} );
}( jQuery, window.standIn ) );

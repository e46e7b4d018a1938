// Reports with every beat where the user is. A page may run core's client, an older
// drop-in or none, so whatever the drop-in adds is checked before each use.
( function( $, config ) {
	function client() {
		return ( window.wp && window.wp.heartbeat ) || {};
	}

	function link() {
		return client().transport || { name: 'post' };
	}

	function beat() {
		if ( client().connectNow ) {
			client().connectNow();
		}
	}

	function ping( data ) {
		// Another plugin may have said it already, and more.
		data['presence-ping'] = data['presence-ping'] || { screen: window.pagenow };
		if ( config.post ) {
			data['presence-editor-ping'] = { post_id: config.post };
		}
		return data;
	}

	$( document ).on( 'heartbeat-send.heartbeatd', function( event, data ) {
		if ( document.visibilityState !== 'hidden' ) {
			ping( data );
		}
	} );

	// Whoever answers the first beat, and whenever it comes.
	if ( link().announce && document.visibilityState !== 'hidden' ) {
		link().announce( ping( {} ) );
	}

	// Over a link a beat costs PHP nothing: ask at once.
	if ( config.early ) {
		$( function() {
			if ( link().name === 'post' ) {
				$( document ).one( 'heartbeat-transport.heartbeatd', beat );
			} else {
				beat();
			}
		} );
	}

	// A lock that its editor has let go still holds for a few seconds.
	if ( config.list ) {
		$( document ).on( 'heartbeat-push.heartbeatd', function( event, push ) {
			var after = push.data && push.data.heartbeatd && Number( push.data.heartbeatd.beat_after_ms );
			if ( after > 0 && after < 60000 ) {
				window.setTimeout( beat, after );
			}
		} );
	}
}( jQuery, window.heartbeatdPresence ) );

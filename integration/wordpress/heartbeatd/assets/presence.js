// Says with every beat who is where, so that people see each other.
( function( $, config ) {
	function beat() {
		wp.heartbeat.connectNow();
	}

	$( document ).on( 'heartbeat-send.heartbeatd', function( event, data ) {
		if ( document.visibilityState === 'hidden' ) {
			return;
		}
		data['presence-ping'] = { screen: window.pagenow };
		if ( config.post ) {
			data['presence-editor-ping'] = { post_id: config.post };
		}
	} );

	// Over a link a beat costs PHP nothing: be seen as soon as there is one.
	if ( config.early ) {
		$( function() {
			if ( wp.heartbeat.transport.name === 'post' ) {
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

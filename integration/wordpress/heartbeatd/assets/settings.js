// Shows on the settings screen how this browser is connected.
( function( $, texts ) {
	function client() {
		return ( window.wp && window.wp.heartbeat ) || null;
	}

	function transportName() {
		if ( ! client() ) {
			return 'none';
		}
		return client().transport ? client().transport.name : 'core';
	}

	function showTransport() {
		const name = transportName();
		$( '#heartbeatd-transport' ).text( texts[ name ] || name ).attr( 'data-transport', name );
		$( '#heartbeatd-help' ).text( name === 'post' ? texts.help : '' );
		showOnlineCount();
	}

	function showOnlineCount() {
		const name = transportName();
		const isLinked = name !== 'none' && name !== 'core' && name !== 'post' && client().room;
		const text = isLinked ? texts.online.replace( '%s', client().room( 'admin/online' ).total ) : '';
		$( '#heartbeatd-online' ).text( text ).parent().prop( 'hidden', text === '' );
	}

	$( document ).on( 'heartbeat-transport.heartbeatd-settings', showTransport );
	$( function() {
		showTransport();
		// The administrator may have fixed what refused this browser before, so it tries again.
		if ( transportName() === 'post' ) {
			client().transport.use();
		}
		if ( client() && client().room ) {
			client().room( 'admin/online' ).onChange( showOnlineCount );
		}
	} );
}( jQuery, window.heartbeatdSettings ) );
